//! Builds the guests and the programs that tests, `up` and `demo` start.

use std::process::Command;

use crate::run::{Result, cargo, run};

/// The edge components of `spin.toml`.
pub(crate) const GUESTS: &[&str] = &[
    "framelift-auth",
    "framelift-passwords",
    "framelift-uploads",
    "framelift-videos",
    "framelift-downloads",
    "framelift-events",
    "framelift-frames",
    "framelift-plugins",
    "framelift-control",
    "framelift-web",
];

/// Guests that only tests serve.
pub(crate) const TEST_GUESTS: &[&str] = &["framelift-test-guest", "framelift-store-suite"];

/// The programs that the local stack is made of.
pub(crate) const STACK: &[&str] = &["framelift-stack", "framelift-edge-host", "framelift-worker"];

/// The programs that the end-to-end tests start.
pub(crate) const PROGRAMS: &[&str] =
    &["framelift-stack", "framelift-edge-host", "framelift-worker", "framelift-cli"];

/// All packages but the guests, which need a host.
pub(crate) fn native_workspace(command: &mut Command) {
    command.arg("--workspace");
    for guest in [GUESTS, TEST_GUESTS].concat() {
        command.args(["--exclude", guest]);
    }
}

/// Builds the edge components.
pub(crate) fn guests() -> Result {
    println!("building the edge components");
    build_guests(GUESTS)
}

/// Builds guests by their packages' names.
pub(crate) fn build_guests(packages: &[&str]) -> Result {
    run(guests_build(packages))
}

/// The command that builds them.
pub(crate) fn guests_build(packages: &[&str]) -> Command {
    let mut build = cargo(&["build", "--quiet", "--profile", "guest", "--target", "wasm32-wasip2"]);
    for package in packages {
        build.args(["--package", package]);
    }
    build
}

/// Has cargo compile the workspace's packages with Clippy, and fail if it has warnings. What is built is the same, and
/// is not built again by a command that has this, too.
pub(crate) fn with_lints(cargo: &mut Command) {
    cargo.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver").env("CARGO_BUILD_WARNINGS", "deny");
}

/// Keeps [`with_lints`] from what a command compiles that is not ours.
pub(crate) fn without_lints(command: &mut Command) {
    command.env_remove("RUSTC_WORKSPACE_WRAPPER").env_remove("CARGO_BUILD_WARNINGS");
}

/// Builds programs by their packages' names. Messages go to standard error, because standard output may belong
/// to the program.
pub(crate) fn programs(packages: &[&str]) -> Result {
    eprintln!("building {}", packages.join(", "));
    let mut build = cargo(&["build", "--quiet", "--bins"]);
    for package in packages {
        build.args(["--package", package]);
    }
    run(build)
}

/// Builds the guests, and the programs of the stack and `more` packages with optimisation.
pub(crate) fn release_stack(more: &[&str]) -> Result {
    guests()?;
    println!("building the stack with optimisation");
    let mut build = cargo(&["build", "--quiet", "--release", "--bins"]);
    for package in PROGRAMS.iter().chain(more) {
        build.args(["--package", package]);
    }
    run(build)
}
