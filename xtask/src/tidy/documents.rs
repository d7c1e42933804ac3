//! Rules on documents: what `SPECIFICATION.md` names is a test, and what `docs/configuration.md` says of the
//! edge's variables is what `spin.toml` says.

use crate::promises::{self, FILE};
use crate::run::root;
use crate::setup;

/// Checks all documents.
pub(crate) fn check(files: &[&str]) -> Vec<String> {
    let mut problems = promises(files);
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap_or_default();
    let page = read("docs/configuration.md");
    for row in variables(&read("spin.toml")).filter(|row| !page.lines().any(|line| line == row)) {
        problems.push(format!("docs/configuration.md: lacks the line\n{row}"));
    }
    let readme = read("README.md");
    for package in setup::names_for_cli().filter(|name| !readme.contains(&format!("`{name}`"))) {
        problems.push(format!("README.md: the command line also needs `{package}`"));
    }
    problems
}

/// The lines about `spin.toml`'s variables that the page must have.
fn variables(manifest: &str) -> impl Iterator<Item = String> {
    let section = manifest.split_once("[variables]\n").map_or("", |(_, rest)| rest);
    let section = section.split("\n[").next().unwrap_or_default();
    section.lines().filter_map(|line| {
        let (name, value) = line.split_once(" = {")?;
        let text = |key: &str| Some(value.split_once(&format!("{key} = \""))?.1.split_once('"')?.0);
        let default = match text("default") {
            None => "required".to_owned(),
            Some("") => "empty".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let secret = if value.contains("secret = true") { ", secret" } else { "" };
        Some(format!("| `{name}` | {default}{secret} | {} |", text("description")?))
    })
}

/// Each `` `path/to/file::name` `` must be a test of that file that runs, and each row must name one.
fn promises(files: &[&str]) -> Vec<String> {
    let (references, empty) = match promises::read() {
        Ok(read) => read,
        Err(error) => return vec![error],
    };
    let missing = references.iter().filter(|reference| {
        let source = std::fs::read_to_string(root().join(&reference.path));
        !files.contains(&reference.path.as_str()) || !source.is_ok_and(|source| reference.is_in(&source))
    });
    let missing = missing.map(|reference| {
        format!("{FILE}:{}: there is no test `{}::{}`", reference.line, reference.path, reference.name)
    });
    let empty = empty.iter().map(|line| format!("{FILE}:{line}: the promise names no test"));
    missing.chain(empty).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_lines() {
        let manifest = "[variables]\n# Why.\na = { required = true, secret = true, description = \"A\" }\n\
                        b = { default = \"x\", description = \"B\" }\nc = { default = \"\", description = \"C\" }\n\
                        \n[component.a]\nd = { default = \"x\", description = \"D\" }";
        let lines: Vec<String> = variables(manifest).collect();
        assert_eq!(lines, ["| `a` | required, secret | A |", "| `b` | `x` | B |", "| `c` | empty | C |"]);
    }
}
