//! Many users at the same time on the local stack, all of it built with optimisation.

use crate::build::release_stack;
use crate::run::{Result, command, run, target};
use crate::setup;

/// Builds the stack in release and runs `framelift-load` with `args`.
pub(crate) fn load(args: &[String]) -> Result {
    setup::for_tests()?;
    release_stack(&["framelift-e2e"])?;
    let folder = target().join("release");
    let mut load = command(&folder.join("framelift-load").to_string_lossy(), &[]);
    load.args(args).env("FRAMELIFT_TEST_BIN_DIR", &folder);
    run(load)
}
