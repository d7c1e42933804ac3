//! Builds the tests and finds their binaries.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::needs::Needs;
use super::selection::Selection;
use crate::build;
use crate::run::{Result, cargo, root};

/// A test binary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Binary {
    pub(super) executable: String,
    /// Its package's folder, in which it is run.
    pub(super) folder: PathBuf,
    /// The file of its crate's root, within the repository.
    pub(super) source: String,
}

impl Binary {
    /// Its crate's root without what all have: `crates/edge lib`, `e2e tests/e2e`.
    pub(super) fn label(&self) -> String {
        let folder = self.folder.strip_prefix(root()).unwrap_or(&self.folder).to_string_lossy().into_owned();
        let file = self.source.strip_prefix(&folder).unwrap_or(&self.source).trim_start_matches('/');
        let file =
            file.strip_suffix(".rs").unwrap_or(file).trim_end_matches("/main").trim_start_matches("src/");
        format!("{folder} {file}")
    }

    /// From one of cargo's messages (JSON, one a line), if it is about one.
    fn of(message: &str, root: &Path) -> Option<Self> {
        let (_, profile) = message.split_once(r#""profile":{"#)?;
        let (profile, _) = profile.split_once('}')?;
        if !profile.contains(r#""test":true"#) {
            return None;
        }
        let manifest = PathBuf::from(text(message, "manifest_path")?);
        let source = PathBuf::from(text(message, "src_path")?);
        Some(Self {
            executable: text(message, "executable")?,
            folder: manifest.parent()?.to_owned(),
            source: source.strip_prefix(root).ok()?.to_string_lossy().into_owned(),
        })
    }
}

/// The value of the first member of that name whose value is text; paths hold nothing that JSON escapes but quotes and strokes.
fn text(message: &str, member: &str) -> Option<String> {
    let (_, rest) = message.split_once(&format!(r#""{member}":""#))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.to_owned())
}

/// Builds what is chosen, and the programs with it: cargo chooses the features of dependencies for all
/// that it builds at once, so building them by themselves would compile most of them twice.
pub(super) fn build(selection: &Selection, packages: &[String], needs: &Needs) -> Result<Vec<Binary>> {
    let mut command = if selection.lib { cargo(&["test", "--no-run", "--lib"]) } else { cargo(&["build"]) };
    command.args(["--message-format", "json-render-diagnostics"]);
    if selection.is_all() {
        build::native_workspace(&mut command);
    } else {
        packages.iter().for_each(|package| {
            command.args(["--package", package]);
        });
    }
    if needs.programs {
        build::PROGRAMS.iter().for_each(|program| {
            command.args(["--package", program]);
        });
        command.arg("--bins");
    }
    if selection.tests.is_empty() && !selection.lib {
        command.arg("--tests");
    }
    selection.tests.iter().for_each(|test| {
        command.args(["--test", test]);
    });
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let mut binaries = Vec::new();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines) {
        let line = line.map_err(|error| format!("cannot read cargo's messages: {error}"))?;
        binaries.extend(Binary::of(&line, &root()));
    }
    let status = child.wait().map_err(|error| format!("cannot wait for cargo: {error}"))?;
    if !status.success() {
        return Err("the tests do not build".into());
    }
    binaries.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(binaries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///x/e2e#framelift-e2e@0.1.0","manifest_path":"/x/e2e/Cargo.toml","target":{"kind":["test"],"crate_types":["bin"],"name":"e2e","src_path":"/x/e2e/tests/e2e/main.rs","edition":"2024","doc":false,"doctest":false,"test":true},"profile":{"opt_level":"0","debuginfo":1,"debug_assertions":true,"overflow_checks":true,"test":true},"features":[],"filenames":["/x/target/debug/deps/e2e-0"],"executable":"/x/target/debug/deps/e2e-0","fresh":true}"#;

    #[test]
    fn test_binaries_are_found_in_cargos_messages() {
        let binary = Binary::of(MESSAGE, Path::new("/x")).unwrap();
        assert_eq!(binary.executable, "/x/target/debug/deps/e2e-0");
        assert_eq!(binary.folder, Path::new("/x/e2e"));
        assert_eq!(binary.source, "e2e/tests/e2e/main.rs");
        let program = MESSAGE
            .replace(r#""overflow_checks":true,"test":true"#, r#""overflow_checks":true,"test":false"#);
        assert_eq!(Binary::of(&program, Path::new("/x")), None);
    }
}
