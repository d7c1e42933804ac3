//! What the test binaries print, counted.

use std::fmt;

/// Counts, and the names of what ran.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    /// Binaries that did not end well.
    pub(super) broken: Vec<String>,
    /// Source of the binary and name of the test, of all that ran and did not skip what it is for.
    pub(super) ran: Vec<(String, String)>,
    /// Likewise, of those that skipped what they are for.
    pub(super) skipped_tests: Vec<(String, String)>,
    /// What tests reported as skipped.
    left_out: Vec<String>,
    source: String,
    /// The test whose output is being read.
    speaking: Option<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Tally {
    /// An empty tally of the binary with that root.
    pub(super) fn of(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Reads a line of libtest's output.
    pub(super) fn read(&mut self, line: &str) {
        if let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            let name = name.strip_suffix(" - should panic").unwrap_or(name);
            match result {
                "ok" => self.passed += 1,
                "FAILED" => self.failed += 1,
                _ => return self.skipped += 1,
            }
            self.ran.push((self.source.clone(), name.to_owned()));
        } else if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.speaking = Some(name.to_owned());
        } else if line.starts_with("SKIPPED") {
            self.left_out.push(line.to_owned());
            // A test may skip several things, but counts once.
            if let Some(name) = self.speaking.take() {
                self.passed = self.passed.saturating_sub(1);
                self.skipped += 1;
                let test = (self.source.clone(), name);
                self.ran.retain(|ran| *ran != test);
                self.skipped_tests.push(test);
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.broken.extend(other.broken);
        self.ran.extend(other.ran);
        self.skipped_tests.extend(other.skipped_tests);
        self.left_out.extend(other.left_out);
    }

    /// Prints what was skipped and which binaries failed.
    pub(super) fn print_skipped(&self) {
        for line in self.left_out.iter().chain(&self.broken) {
            println!("{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_runner_are_counted() {
        let mut tally = Tally::of("x/src/lib.rs");
        for line in [
            "running 5 tests",
            "test a::one ... ok",
            "test a::two - should panic ... ok",
            "test three ... FAILED",
            "test four ... ignored",
            "test five ... ok",
            "successes:",
            "---- five stdout ----",
            "SKIPPED: there is no GPU",
            "SKIPPED: nor another",
            "test result: FAILED. 3 passed; 1 failed; 1 skipped; 0 measured; 0 filtered out",
        ] {
            tally.read(line);
        }
        assert_eq!((tally.passed, tally.failed, tally.skipped), (2, 1, 2));
        let names: Vec<_> = tally.ran.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["a::one", "a::two", "three"]);
        assert_eq!(tally.skipped_tests, [("x/src/lib.rs".to_owned(), "five".to_owned())]);
        assert_eq!(tally.left_out.len(), 2);
    }
}
