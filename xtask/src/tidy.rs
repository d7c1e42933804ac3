//! The rules that keep the code as `ARCHITECTURE.md` says: which crate may see which, what files look like, that each
//! promise of `SPECIFICATION.md` names a test that exists, and that the plugins were built from the sources beside
//! them.

mod documents;
mod files;
mod layers;

use crate::plugins;
use crate::run::{Result, command, output};

/// Checks everything and prints all that is wrong.
pub(crate) fn tidy() -> Result {
    println!("checking: tidiness");
    let tracked = output(command("git", &["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let files: Vec<&str> = tracked.lines().collect();
    let mut problems = files::check(&files);
    problems.extend(documents::check(&files));
    problems.extend(layers::check()?);
    problems.extend(plugins::problems(&tracked)?);
    for problem in &problems {
        println!("  {problem}");
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err("1 rule is broken".into()),
        n => Err(format!("{n} rules are broken")),
    }
}
