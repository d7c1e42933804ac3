//! Checks the configuration of every part before anything is started.

use std::fmt;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use framelift_edge_host::{Values, component_variables};
use tokio::process::Command;

use crate::environment;
use crate::options::CheckOptions;
use crate::programs::Programs;
use crate::services::Addresses;

/// The worker's exit code for a configuration that cannot be used, and this program's.
pub(crate) const EXIT_CODE: u8 = 64;
/// The address of an edge that does not run yet.
const NO_EDGE: &str = "http://127.0.0.1:9";

/// Everything that is wrong with the configuration, a line each.
#[derive(Debug)]
pub(crate) struct InvalidConfiguration(Vec<String>);

impl std::error::Error for InvalidConfiguration {}

impl fmt::Display for InvalidConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s)", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

/// Checks variables for an edge elsewhere: those of a file, or those of this environment.
#[expect(clippy::print_stdout, reason = "a command-line tool talks to its user")]
pub(crate) fn variables(options: &CheckOptions) -> anyhow::Result<()> {
    let values = match &options.file {
        Some(file) => Values::from_environment(environment::read(file)?),
        None => Values::from_environment(std::env::vars()),
    };
    none_of(edge(&options.manifest, &values)?)?;
    println!("the variables are complete, and every component can read its own");
    Ok(())
}

/// Checks what the edge and the workers would be started with.
pub(crate) async fn all(programs: &Programs<'_>, addresses: &Addresses) -> anyhow::Result<()> {
    let mut problems = edge(programs.manifest, &programs.edge_values(addresses)?)?;
    problems.extend(worker(programs, addresses).await?);
    none_of(problems)
}

fn none_of(problems: Vec<String>) -> anyhow::Result<()> {
    if problems.is_empty() { Ok(()) } else { Err(InvalidConfiguration(problems).into()) }
}

/// What is wrong with the app's variables, as its components read them.
fn edge(manifest: &Path, values: &Values) -> anyhow::Result<Vec<String>> {
    let given = component_variables(manifest, values)?;
    let mut problems = given.problems;
    for problem in framelift_edge::configuration::problems(&given.components) {
        let name = problem.split(':').next().unwrap_or_default();
        let told = format!("variables.{name}:");
        if !problems.iter().any(|problem| problem.starts_with(&told)) {
            problems.push(problem);
        }
    }
    Ok(problems)
}

/// What a worker says of its configuration.
async fn worker(programs: &Programs<'_>, addresses: &Addresses) -> anyhow::Result<Vec<String>> {
    let program = programs.worker(0, NO_EDGE, addresses)?;
    let said = Command::new(&program.path)
        .arg("--check-config")
        .envs(&program.env)
        .envs(environment::read_if_there(&program.overrides)?)
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.path.display()))?;
    let errors = String::from_utf8_lossy(&said.stderr);
    match said.status.code() {
        Some(0) => Ok(Vec::new()),
        Some(code) if code == i32::from(EXIT_CODE) => {
            Ok(errors.lines().filter_map(|line| Some(line.strip_prefix("  - ")?.to_owned())).collect())
        }
        _ => anyhow::bail!("the worker did not check its configuration: {}", errors.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spin.toml");

    fn problems(given: &[(&str, &str)]) -> Vec<String> {
        let mut values = Values::default();
        given.iter().for_each(|(name, value)| values.set(*name, *value));
        edge(Path::new(APP), &values).unwrap()
    }

    #[test]
    fn a_missing_variable_is_told_once() {
        let told = problems(&[]);
        let of = |name: &str| told.iter().filter(|problem| problem.contains(name)).count();
        for name in ["signing_key", "public_keys", "worker_token", "s3_bucket", "frames_key"] {
            assert_eq!(of(&format!("variables.{name}: is required")), 1, "{told:?}");
            assert_eq!(of(name), 1, "{told:?}");
        }
    }

    #[test]
    fn values_are_read_as_components_read_them() {
        let told =
            problems(&[("lease_s", "0"), ("cors_origins", "*"), ("frames_key", "short"), ("leese_s", "9")]);
        for expected in [
            "variables.leese_s: there is no such variable",
            "lease_s: must be a whole number from 1 to 3600 (control)",
            "frames_key: each key must have at least 16 characters (frames)",
        ] {
            assert!(told.iter().any(|problem| problem == expected), "{expected} is not in {told:?}");
        }
        let origins = told.iter().find(|problem| problem.starts_with("cors_origins: ")).unwrap();
        for component in ["auth", "control", "events", "web"] {
            assert!(origins.contains(component), "{origins}");
        }
    }
}
