//! The plugins that come with the product: built, and held to the sources that they were built from.
//!
//! The same sources do not give the same bytes on every machine (paths of dependencies are in them), so what is
//! compared is a record of SHA-256 sums: of the sources, and of the components that were built from them.

use crate::run::{Result, cargo, command, output, root, run};
use crate::setup;

/// The record. Its form is that of `sha256sum`.
const RECORD: &str = "plugins/built/SHA256SUMS";

/// Builds them by what an author has, puts them where they are tracked, and writes the record; with `--check` only
/// looks whether the record is right.
pub(crate) fn plugins(args: &[String]) -> Result {
    match args {
        [] => build(),
        [flag] if flag == "--check" => match problems(&files()?)?.as_slice() {
            [] => Ok(()),
            problems => Err(problems.join("\n")),
        },
        _ => Err("plugins takes nothing but --check".into()),
    }
}

fn build() -> Result {
    setup::wasm_targets()?;
    let folder = root().join("plugins");
    let mut build = cargo(&["build", "--release", "--locked"]);
    build.current_dir(&folder);
    run(build)?;
    for name in ["dedupe", "grayscale", "redact", "sharpest", "watermark"] {
        let file = format!("{name}.wasm");
        let built = folder.join("target/wasm32-unknown-unknown/release").join(&file);
        std::fs::copy(&built, folder.join("built").join(&file))
            .map_err(|error| format!("{}: {error}", built.display()))?;
    }
    let record = sums(&files()?)?;
    std::fs::write(root().join(RECORD), record).map_err(|error| format!("{RECORD}: {error}"))
}

fn files() -> Result<String> {
    output(command("git", &["ls-files", "--cached", "--others", "--exclude-standard"]))
}

/// What is wrong with the record, given the repository's files, one a line.
pub(crate) fn problems(files: &str) -> Result<Vec<String>> {
    let recorded = std::fs::read_to_string(root().join(RECORD)).unwrap_or_default();
    let now = sums(files)?;
    let only = |one: &str, other: &str| -> Vec<String> {
        let lines = one.lines().filter(|line| !other.lines().any(|known| known == *line));
        lines.filter_map(|line| Some(line.split_once("  ")?.1.to_owned())).collect()
    };
    let mut changed = [only(&now, &recorded), only(&recorded, &now)].concat();
    changed.sort();
    changed.dedup();
    let say = |file: String| format!("{file}: has changed since `cargo xtask plugins` built plugins/built");
    Ok(changed.into_iter().map(say).collect())
}

/// The sums of all that the record is about.
fn sums(files: &str) -> Result<String> {
    let chosen: Vec<&str> = files.lines().filter(|file| is_recorded(file)).collect();
    output(command("sha256sum", &[&["--"], chosen.as_slice()].concat()))
}

/// Whether a plugin is built from that file, or it is a plugin.
fn is_recorded(file: &str) -> bool {
    file != RECORD
        && (file.starts_with("plugins/")
            || file.starts_with("wit/")
            || file.starts_with("crates/contract/src/plugin/builtin/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_components_are_recorded() {
        for (file, recorded) in [
            ("plugins/dedupe/src/lib.rs", true),
            ("plugins/Cargo.lock", true),
            ("plugins/built/dedupe.wasm", true),
            (RECORD, false),
            ("wit/frame-plugin.wit", true),
            ("crates/contract/src/plugin/builtin/dedupe.json", true),
            ("crates/contract/src/plugin/builtin.rs", false),
        ] {
            assert_eq!(is_recorded(file), recorded, "{file}");
        }
    }

    #[test]
    fn a_changed_and_a_missing_file_are_named() {
        let files = files().unwrap();
        assert_eq!(problems(&files).unwrap(), Vec::<String>::new());
        let fewer: Vec<&str> = files.lines().filter(|file| *file != "plugins/dedupe/src/lib.rs").collect();
        let problems = problems(&fewer.join("\n")).unwrap();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("plugins/dedupe/src/lib.rs: has changed since"), "{problems:?}");
    }
}
