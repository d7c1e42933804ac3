//! The promises of `SPECIFICATION.md`, and the tests that they name.

use crate::run::{Result, root};

/// Where the promises are.
pub(crate) const FILE: &str = "SPECIFICATION.md";

/// A test or a check that a row names: `` `path/to/file.rs::name` ``.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The row's line, from 1.
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) name: String,
    /// Whether `(skipped where …)` directly behind it says that it is skipped where something is missing.
    pub(crate) conditional: bool,
}

impl Reference {
    /// Whether `source`, the text of the file, has that function: in Rust one that is a test, in Python any.
    pub(crate) fn is_in(&self, source: &str) -> bool {
        let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
        if self.path.ends_with(".py") {
            return lines.iter().any(|line| defines(line, "def ", &self.name));
        }
        lines.iter().enumerate().any(|(number, line)| {
            let before = lines.get(..number).unwrap_or_default();
            let attributes: Vec<&&str> = before
                .iter()
                .rev()
                .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
                .collect();
            let is_test = attributes.iter().any(|line| {
                line.starts_with("#[test]")
                    || line.starts_with("#[tokio::test")
                    || line.starts_with("#[proptest")
            });
            is_test && defines(line, "fn ", &self.name)
        })
    }

    /// Whether this is the test `test` (`module::function`, as the runner names it) of the binary whose root
    /// is the source file `binary`.
    pub(crate) fn is(&self, binary: &str, test: &str) -> bool {
        let Some(modules) = modules(binary, &self.path) else { return false };
        let Some((test_modules, function)) = test.rsplit_once("::").or(Some(("", test))) else {
            return false;
        };
        let within = test_modules == modules
            || modules.is_empty()
            || test_modules.strip_prefix(&modules).is_some_and(|rest| rest.starts_with("::"));
        function == self.name && within
    }
}

/// Whether the line begins a function of that name, whatever qualifiers it has.
fn defines(line: &str, keyword: &str, name: &str) -> bool {
    let Some((qualifiers, rest)) = line.split_once(keyword) else { return false };
    let qualifies = |word: &str| word.starts_with("pub") || matches!(word, "async" | "const" | "unsafe");
    qualifiers.split_whitespace().all(qualifies)
        && rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(['(', '<']))
}

/// The module that the file at `path` is in the crate whose root is `binary`; none if it is in another.
fn modules(binary: &str, path: &str) -> Option<String> {
    let (folder, file) = binary.rsplit_once('/')?;
    let stem = file.strip_suffix(".rs")?;
    if path == binary {
        return Some(String::new());
    }
    // The modules of `tests/name.rs` are below `tests/name/`, those of other roots beside them.
    let own_folder = matches!(stem, "lib" | "main");
    let base = if own_folder { folder.to_owned() } else { format!("{folder}/{stem}") };
    let module = path.strip_prefix(&base)?.strip_prefix('/')?.strip_suffix(".rs")?;
    Some(module.replace('/', "::"))
}

/// The references of the document, and the lines of rows without one.
pub(crate) fn read() -> Result<(Vec<Reference>, Vec<usize>)> {
    let text =
        std::fs::read_to_string(root().join(FILE)).map_err(|error| format!("cannot read {FILE}: {error}"))?;
    Ok(parse(&text))
}

fn parse(text: &str) -> (Vec<Reference>, Vec<usize>) {
    let (mut references, mut empty) = (Vec::new(), Vec::new());
    for (index, row) in text.lines().enumerate() {
        let line = index + 1;
        let named_before = references.len();
        let parts: Vec<&str> = row.split('`').collect();
        for (part, quoted) in parts.iter().enumerate().skip(1).step_by(2) {
            let Some((path, name)) = quoted.split_once("::").filter(|(path, _)| path.contains('/')) else {
                continue;
            };
            let behind = parts.get(part + 1).copied().unwrap_or_default();
            references.push(Reference {
                line,
                path: path.to_owned(),
                name: name.to_owned(),
                conditional: behind.starts_with(" (skipped where "),
            });
        }
        let is_row = row.starts_with('|') && !row.starts_with("| promise") && !row.starts_with("|---");
        if is_row && references.len() == named_before {
            empty.push(line);
        }
    }
    (references, empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(path: &str, name: &str) -> Reference {
        Reference { line: 1, path: path.into(), name: name.into(), conditional: false }
    }

    #[test]
    fn rows_are_read() {
        let text = "# `a/b.rs::outside`\n| promise | held by |\n|---|---|\n| x | `a/b.rs::c`, `docs/x.md` |\n| y | |\n\
                    | z | `a/b.rs::d`, `a/b.rs::e` (skipped where `x` is missing), `a/b.rs::f` |\n";
        let (references, empty) = parse(text);
        assert_eq!(references.len(), 5);
        assert_eq!(references[1], Reference { line: 4, ..reference("a/b.rs", "c") });
        assert_eq!(references[2], Reference { line: 6, ..reference("a/b.rs", "d") });
        assert_eq!(references[3], Reference { line: 6, conditional: true, ..reference("a/b.rs", "e") });
        assert_eq!(references[4], Reference { line: 6, ..reference("a/b.rs", "f") });
        assert_eq!(empty, [5]);
    }

    #[test]
    fn only_a_test_that_runs_holds_a_promise() {
        let found = |source| reference("a/b.rs", "length").is_in(source);
        assert!(found("#[test]\nfn length() {}"));
        assert!(found(
            "mod x {\n    /// Why.\n    #[tokio::test(start_paused = true)]\n    async fn length() {}"
        ));
        assert!(!found("#[test]\nfn content_length() {}"));
        assert!(!found("#[test]\nfn length_of_it() {}"));
        assert!(!found("let x = \"content-length\";"));
        assert!(!found("fn length() {}"));
        assert!(!found("#[test]\nfn other() {}\n\nfn length() {}"));
        assert!(reference("a/b.py", "aims").is_in("def aims(run):"));
        assert!(!reference("a/b.py", "aims").is_in("aims = 1"));
    }

    #[test]
    fn a_test_is_found_by_its_file_and_name() {
        let inline = reference("crates/x/src/a/b.rs", "f");
        assert!(inline.is("crates/x/src/lib.rs", "a::b::tests::f"));
        assert!(inline.is("crates/x/src/lib.rs", "a::b::f"));
        assert!(!inline.is("crates/x/src/lib.rs", "a::bc::tests::f"));
        assert!(!inline.is("crates/x/src/lib.rs", "a::f"));
        assert!(!inline.is("crates/x/tests/x.rs", "a::b::f"));
        assert!(!inline.is("crates/xy/src/lib.rs", "a::b::f"));
        assert!(reference("x/tests/e2e/journey.rs", "f").is("x/tests/e2e/main.rs", "journey::f"));
        assert!(reference("x/tests/host/kv.rs", "f").is("x/tests/host.rs", "kv::f"));
        assert!(reference("x/tests/cli.rs", "f").is("x/tests/cli.rs", "f"));
        assert!(!reference("x/tests/cli.rs", "f").is("x/tests/cli.rs", "fg"));
    }
}
