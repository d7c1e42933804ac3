//! The plugins that come with the product: built, and held to the sources that they were built from.
//!
//! The same sources do not give the same bytes on every machine (paths of dependencies are in them), so what is
//! compared is a record of SHA-256 sums: of the sources, and of the components that were built from them.

use crate::run::{Result, cargo, command, output, root, run};
use crate::setup;

/// The record. Its form is that of `sha256sum`.
const RECORD: &str = "plugins/built/SHA256SUMS";
/// The components of all versions, one a line.
const COMPONENTS: &str = "crates/contract/src/plugin/builtin/components.json";
const NAMES: [&str; 5] = ["dedupe", "grayscale", "redact", "sharpest", "watermark"];

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
    let committed =
        parse(&output(command("git", &["show", &format!("HEAD:{COMPONENTS}")])).unwrap_or_default());
    let mut components = parse(&read(COMPONENTS)?);
    let mut built = Vec::new();
    for name in NAMES {
        let file = format!("plugins/target/wasm32-unknown-unknown/release/{name}.wasm");
        let bytes = std::fs::read(root().join(&file)).map_err(|error| format!("{file}: {error}"))?;
        let sum = output(command("sha256sum", &["--", &file]))?;
        let sha256 = sum.split_whitespace().next().unwrap_or_default().to_owned();
        let component =
            Component { name: name.to_owned(), version: version(name)?, sha256, size: bytes.len() };
        components = with(&committed, components, component)?;
        built.push((name, bytes));
    }
    for (name, bytes) in built {
        let file = format!("plugins/built/{name}.wasm");
        // What the last commit has is the version before.
        let before = command("git", &["cat-file", "blob", &format!("HEAD:{file}")]).output();
        let before = before.map_err(|error| format!("git: {error}"))?.stdout;
        if before != bytes && !before.is_empty() {
            write(&format!("plugins/built/earlier/{name}.wasm"), &before)?;
        }
        write(&file, &bytes)?;
    }
    write(COMPONENTS, shown(&components).as_bytes())?;
    write(RECORD, sums(&files()?)?.as_bytes())
}

fn read(file: &str) -> Result<String> {
    std::fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))
}

fn write(file: &str, bytes: &[u8]) -> Result {
    std::fs::write(root().join(file), bytes).map_err(|error| format!("{file}: {error}"))
}

/// A version of a plugin: a line of [`COMPONENTS`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Component {
    name: String,
    version: u32,
    sha256: String,
    size: usize,
}

/// The value of a field in a line of JSON.
fn field<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let (_, value) = line.split_once(&format!("\"{name}\": "))?;
    Some(value.split([',', '}']).next()?.trim().trim_matches('"'))
}

fn parse(list: &str) -> Vec<Component> {
    let component = |line: &str| {
        Some(Component {
            name: field(line, "name")?.to_owned(),
            version: field(line, "version")?.parse().ok()?,
            sha256: field(line, "sha256")?.to_owned(),
            size: field(line, "size_bytes")?.parse().ok()?,
        })
    };
    list.lines().filter_map(component).collect()
}

fn shown(components: &[Component]) -> String {
    let line = |Component { name, version, sha256, size }: &Component| {
        format!(r#"  {{"name": "{name}", "version": {version}, "sha256": "{sha256}", "size_bytes": {size}}}"#)
    };
    format!("[\n{}\n]\n", components.iter().map(line).collect::<Vec<_>>().join(",\n"))
}

/// The version that a plugin's description gives it.
fn version(name: &str) -> Result<u32> {
    let file = format!("crates/contract/src/plugin/builtin/{name}.json");
    let text = read(&file)?;
    let version = text.lines().find_map(|line| field(line, "version")?.parse().ok());
    version.ok_or_else(|| format!("{file}: has no version"))
}

/// The components with one that was built now. Accepted jobs are pinned to a version, so one that was committed keeps
/// its component.
fn with(committed: &[Component], mut all: Vec<Component>, new: Component) -> Result<Vec<Component>> {
    let same = |other: &&Component| other.name == new.name && other.version == new.version;
    if committed.iter().find(same).is_some_and(|known| known.sha256 != new.sha256) {
        let Component { name, version, .. } = new;
        return Err(format!(
            "{name}: its component has changed, so it needs another version than {version}: \
             crates/contract/src/plugin/builtin/{name}.json"
        ));
    }
    all.retain(|other| !same(&other));
    all.push(new);
    all.sort();
    Ok(all)
}

/// Whether the descriptions and [`COMPONENTS`] are about the components that are there, given their sums.
fn component_problems(components: &[Component], sums: &str) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let sum = |file: &str| sums.lines().find_map(|line| line.strip_suffix(&format!("  {file}")));
    for name in NAMES {
        let version = version(name)?;
        let of_name = || components.iter().filter(|component| component.name == name);
        let sha256 = of_name().find(|component| component.version == version).map(|it| it.sha256.as_str());
        if sum(&format!("plugins/built/{name}.wasm")) != sha256 {
            problems.push(format!("{COMPONENTS}: does not have the component of {name} {version}"));
        }
        let earlier = sum(&format!("plugins/built/earlier/{name}.wasm"));
        if !of_name().any(|component| Some(component.sha256.as_str()) == earlier) {
            problems.push(format!("plugins/built/earlier/{name}.wasm: is no version of {COMPONENTS}"));
        }
    }
    Ok(problems)
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
    let mut problems: Vec<String> = changed.into_iter().map(say).collect();
    problems.extend(component_problems(&parse(&read(COMPONENTS)?), &now)?);
    Ok(problems)
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

    fn component(name: &str, version: u32, sha256: &str) -> Component {
        Component { name: name.to_owned(), version, sha256: sha256.to_owned(), size: 9 }
    }

    #[test]
    fn a_changed_component_needs_a_new_version() {
        let committed = [component("dedupe", 1, "aa"), component("redact", 1, "bb")];
        assert_eq!(parse(&shown(&committed)), committed);
        let with = |all: &[Component], new| with(&committed, all.to_vec(), new);
        assert_eq!(with(&committed, component("redact", 1, "bb")).unwrap(), committed);
        let refused = with(&committed, component("redact", 1, "cc")).unwrap_err();
        assert!(refused.starts_with("redact: its component has changed, so it needs another version than 1"));
        let raised = with(&committed, component("dedupe", 2, "cc")).unwrap();
        assert_eq!(
            raised,
            [component("dedupe", 1, "aa"), component("dedupe", 2, "cc"), committed[1].clone()]
        );
        // Until it is committed it may be built again.
        let again = with(&raised, component("dedupe", 2, "dd")).unwrap();
        assert_eq!(again[1], component("dedupe", 2, "dd"));
        assert_eq!(again.len(), 3);
    }

    #[test]
    fn descriptions_name_the_components_that_are_there() {
        let sums = sums(&files().unwrap()).unwrap();
        let components = parse(&read(COMPONENTS).unwrap());
        assert_eq!(component_problems(&components, &sums).unwrap(), [""; 0]);
        let without: Vec<Component> =
            components.iter().filter(|component| component.name != "redact").cloned().collect();
        let problems = component_problems(&without, &sums).unwrap();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("redact")), "{problems:?}");
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
