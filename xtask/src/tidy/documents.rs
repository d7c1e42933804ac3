//! Rules on documents: what `SPECIFICATION.md` names is a test.

use crate::promises::{self, FILE};
use crate::run::root;

/// Each `` `path/to/file::name` `` must be a test of that file that runs, and each row must name one.
pub(crate) fn check(files: &[&str]) -> Vec<String> {
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
