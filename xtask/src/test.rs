//! Runs every test and ends with one line that counts them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::build;
use crate::run::{Result, cargo, target};
use crate::setup;

#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Count {
    /// Adds up the closing lines of test binaries:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`.
    fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ").and_then(|(_, rest)| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

/// Sets up, builds and runs every test; `args` go to `cargo test` (a package, a filter).
pub(crate) fn test(args: &[String]) -> Result {
    setup::for_tests()?;
    build::all_guests()?;
    build::programs_and_tests()?;
    match std::env::var_os("FRAMELIFT_SPIN").filter(|path| !path.is_empty()) {
        Some(spin) => println!("the end-to-end tests run on the real Spin: {}", spin.display()),
        None => {
            println!("SKIPPED: the end-to-end tests on the real Spin; FRAMELIFT_SPIN=/path/to/spin runs them")
        }
    }
    println!("running the tests");
    let mut tests = cargo(&["test", "--quiet", "--no-fail-fast"]);
    build::native_workspace(&mut tests);
    tests.args(args);
    tests.env("FRAMELIFT_TEST_BIN_DIR", target().join("debug"));
    tests.env("FRAMELIFT_TEST_GUEST_DIR", target().join("wasm32-wasip2/guest"));
    tests.env("FRAMELIFT_TEST_MOTO_SERVER", setup::peer("moto_server"));
    tests.env("FRAMELIFT_TEST_PYTHON", setup::peer("python"));
    let mut child = tests
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run the tests: {error}"))?;
    let mut count = Count::default();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.map_err(|error| format!("cannot read the tests' output: {error}"))?;
        println!("{line}");
        count.read(&line);
    }
    let status = child.wait().map_err(|error| format!("cannot wait for the tests: {error}"))?;
    println!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped);
    if status.success() { Ok(()) } else { Err("tests failed".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let mut count = Count::default();
        count.read(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        count.read("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out");
        count.read("test something ... ok");
        assert_eq!((count.passed, count.failed, count.skipped), (5, 4, 1));
    }
}
