//! Which tests are asked for.

use std::path::Path;

use crate::build::{GUESTS, TEST_GUESTS};
use crate::run::{Result, cargo, output};

/// `[--package NAME]… [--test NAME]… [--lib] [FILTER]… [-- ARGUMENTS OF THE TEST RUNNER]`
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    named_packages: Vec<String>,
    /// Integration tests by name; all targets if there are none.
    pub(super) tests: Vec<String>,
    /// Only unit tests of libraries.
    pub(super) lib: bool,
    /// What test binaries are given: parts of names, and options of the runner.
    pub(super) filters: Vec<String>,
    /// Whether all output is shown as it comes.
    pub(super) shows_output: bool,
}

/// A package of the workspace.
pub(super) struct Member {
    pub(super) name: String,
    folder: String,
}

impl Selection {
    pub(super) fn parse(args: &[String]) -> Result<Self> {
        let mut selection = Self::default();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            let (flag, inline) = match arg.split_once('=') {
                Some((flag, value)) if flag.starts_with('-') => (flag, Some(value)),
                _ => (arg, None),
            };
            match flag {
                "--package" | "-p" | "--test" => {
                    let value =
                        inline.or_else(|| args.next()).ok_or_else(|| format!("{flag} needs a name"))?;
                    let names =
                        if flag == "--test" { &mut selection.tests } else { &mut selection.named_packages };
                    names.push(value.to_owned());
                }
                "--lib" => selection.lib = true,
                "--" => {
                    selection.filters.extend(args.by_ref().map(str::to_owned));
                    selection.shows_output = true;
                }
                _ if flag.starts_with('-') => {
                    return Err(format!(
                        "`{arg}` is not known: test takes --package, --test, --lib, parts of tests' names and, \
                         after `--`, arguments of the test runner"
                    ));
                }
                _ => selection.filters.push(arg.to_owned()),
            }
        }
        Ok(selection)
    }

    /// Whether nothing is left out.
    pub(super) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The packages whose tests are meant. A name without `framelift-` will do.
    pub(super) fn packages(&self, members: &[Member]) -> Result<Vec<String>> {
        let mut packages = Vec::new();
        for named in &self.named_packages {
            let is_it = |member: &&Member| {
                member.name == *named || member.name.strip_prefix("framelift-") == Some(named.as_str())
            };
            let member = members.iter().find(is_it).ok_or_else(|| {
                let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
                format!("there is no package `{named}`; there are {}", names.join(", "))
            })?;
            packages.push(member.name.clone());
        }
        if packages.is_empty() {
            packages = members.iter().map(|member| member.name.clone()).collect();
        }
        if !self.tests.is_empty() {
            packages.retain(|name| {
                let member = members.iter().find(|member| member.name == *name);
                member.is_some_and(|member| self.tests.iter().any(|test| member.has_test(test)))
            });
        }
        if packages.is_empty() {
            return Err(format!("there is no integration test {}", self.tests.join(", ")));
        }
        Ok(packages)
    }
}

impl Member {
    fn has_test(&self, test: &str) -> bool {
        let tests = Path::new(&self.folder).join("tests");
        tests.join(test).with_extension("rs").is_file() || tests.join(test).join("main.rs").is_file()
    }
}

/// All packages that are tested natively.
pub(super) fn members() -> Result<Vec<Member>> {
    let tree =
        output(cargo(&["tree", "--workspace", "--depth", "0", "--prefix", "none", "--format", "{p}"]))?;
    let members = tree.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let (_, folder) = rest.split_once('(')?;
        let guest = GUESTS.contains(&name) || TEST_GUESTS.contains(&name);
        (!guest).then(|| Member { name: name.to_owned(), folder: folder.trim_end_matches(')').to_owned() })
    });
    Ok(members.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Selection> {
        Selection::parse(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_choose() {
        assert!(parse(&[]).unwrap().is_all());
        let chosen = parse(&["-p", "edge", "--test=videos", "life", "--", "--exact"]).unwrap();
        assert!(!chosen.is_all() && chosen.shows_output);
        assert_eq!(chosen.tests, ["videos"]);
        assert_eq!(chosen.filters, ["life", "--exact"]);
        let members = [
            Member { name: "framelift-edge".into(), folder: "nowhere".into() },
            Member { name: "framelift-edge-host".into(), folder: "nowhere".into() },
        ];
        assert_eq!(parse(&["-p", "edge"]).unwrap().packages(&members).unwrap(), ["framelift-edge"]);
        assert_eq!(parse(&["life"]).unwrap().packages(&members).unwrap().len(), 2);
        assert!(parse(&["-p", "edgy"]).unwrap().packages(&members).is_err());
        assert!(parse(&["--test", "none"]).unwrap().packages(&members).is_err());
        assert!(parse(&["--unknown"]).is_err());
        assert!(parse(&["--test"]).is_err());
    }
}
