//! Many users at the same time on the local stack, all of it built with optimisation.

use crate::build::{PROGRAMS, guests};
use crate::run::{Result, cargo, command, run, target};
use crate::setup;

/// Builds the stack in release and runs `framelift-load` with `args`.
pub(crate) fn load(args: &[String]) -> Result {
    setup::for_tests()?;
    guests()?;
    println!("building the stack with optimisation");
    let mut build = cargo(&["build", "--quiet", "--release", "--bins", "--package", "framelift-e2e"]);
    for package in PROGRAMS {
        build.args(["--package", package]);
    }
    run(build)?;
    let folder = target().join("release");
    let mut load = command(&folder.join("framelift-load").to_string_lossy(), &[]);
    load.args(args).env("FRAMELIFT_TEST_BIN_DIR", &folder);
    run(load)
}
