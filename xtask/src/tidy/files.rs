//! Rules on single files.

use crate::run::root;

/// Lines that a source file may have, its tests apart.
const MAX_LINES: usize = 500;
/// Lines that a `main.rs` may have.
const MAX_MAIN_LINES: usize = 60;
/// The places for `unsafe`: C libraries, system calls, and a child that crashes on purpose.
const UNSAFE: &[&str] = &[
    "crates/media/src/ffi",
    "crates/plugin-host/src/code.rs",
    "crates/sandbox/src/kernel.rs",
    "crates/sandbox/tests/",
];
/// Paths and names that exist only on a developer's machine.
const FOREIGN_PATHS: &[&str] = &["/work/", "/home/", "../shared", "../.library"];

/// Checks the tracked files.
pub(crate) fn check(files: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(root().join(file)) else { continue };
        if !file.starts_with("xtask/src/tidy") {
            for path in FOREIGN_PATHS.iter().filter(|path| text.contains(**path)) {
                problems.push(format!("{file}: names a path outside the repository ({path})"));
            }
        }
        if file.ends_with(".rs") {
            problems.extend(source(file, &text).into_iter().map(|problem| format!("{file}: {problem}")));
        }
    }
    problems
}

/// The part of a file before its unit tests.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |tests| &text[..tests])
}

fn source(file: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut broken = |problem: &str| problems.push(problem.to_owned());
    let is_test = file.contains("/tests/") || file.contains("/benches/") || file.ends_with("/tests.rs");
    if !text.starts_with("//!") {
        broken("must open with a `//!` sentence that says what it owns");
    }
    if file.ends_with("/mod.rs") {
        broken("modules are `foo.rs` and `foo/`, never `mod.rs`");
    }
    let code = without_tests(text);
    if !is_test && code.lines().count() > MAX_LINES {
        broken("is longer than 500 lines; split it");
    }
    if !is_test && file.ends_with("/main.rs") && text.lines().count() > MAX_MAIN_LINES {
        broken("a main is at most 60 lines; wire things up in app.rs");
    }
    if file.starts_with("xtask/src/tidy") {
        return problems;
    }
    for word in ["todo!(", "unimplemented!(", "#[allow(", "#![allow(", "#[ignore"] {
        if text.contains(word) {
            broken(&format!("has `{word}`"));
        }
    }
    let has_unsafe = code.lines().any(|line| {
        let line = line.trim_start();
        !line.starts_with("//")
            && (line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl"))
    });
    if has_unsafe && !UNSAFE.iter().any(|place| file.starts_with(place)) {
        broken("has `unsafe` outside the places for it");
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_noticed() {
        assert!(source("a/src/lib.rs", "//! Owns.\nfn f() {}\n").is_empty());
        assert_eq!(source("a/src/lib.rs", "fn f() {}\n").len(), 1);
        assert_eq!(source("a/src/mod.rs", "//! x\n").len(), 1);
        assert_eq!(source("a/src/b.rs", &format!("//! x\n{}", "x\n".repeat(500))).len(), 1);
        assert_eq!(
            source("a/src/b.rs", &format!("//! x\n#[cfg(test)]\nmod tests {{{}}}", "x\n".repeat(500))).len(),
            0
        );
        assert_eq!(source("a/src/main.rs", &format!("//! x\n{}", "x\n".repeat(60))).len(), 1);
        assert_eq!(source("a/src/b.rs", "//! x\nfn f() { todo!() }").len(), 1);
        assert_eq!(source("a/src/b.rs", "//! x\nfn f() { unsafe { g() } }").len(), 1);
        assert_eq!(source("crates/media/src/ffi/b.rs", "//! x\nfn f() { unsafe { g() } }").len(), 0);
    }
}
