//! Rules on documents: what `SPECIFICATION.md` names exists.

use crate::run::root;

/// Each `` `path/to/file::name` `` in `SPECIFICATION.md` must be a file that holds that name, and
/// each row of its tables must name at least one.
pub(crate) fn check(files: &[&str]) -> Vec<String> {
    let Ok(text) = std::fs::read_to_string(root().join("SPECIFICATION.md")) else {
        return vec!["SPECIFICATION.md: is missing".into()];
    };
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let is_row = line.starts_with('|') && !line.starts_with("| promise") && !line.starts_with("|---");
        let mut named = 0;
        for reference in line.split('`').skip(1).step_by(2) {
            let Some((path, name)) = reference.split_once("::") else { continue };
            if !path.contains('/') {
                continue;
            }
            named += 1;
            let held = files.contains(&path)
                && std::fs::read_to_string(root().join(path)).is_ok_and(|source| source.contains(name));
            if !held {
                problems.push(format!("SPECIFICATION.md:{}: there is no `{reference}`", number + 1));
            }
        }
        if is_row && named == 0 {
            problems.push(format!("SPECIFICATION.md:{}: the promise names no test", number + 1));
        }
    }
    problems
}
