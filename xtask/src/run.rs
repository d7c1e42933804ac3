//! Runs commands, and the ones that start the product: `up`, `demo`.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{build, ffmpeg, setup};

/// The result of a step; the error is one sentence on what went wrong.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// Prints what the commands are.
pub(crate) fn help(usage: &str) -> Result {
    print!("{usage}");
    Ok(())
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map_or(xtask.clone(), PathBuf::from)
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command in the repository's root.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// `cargo`, the one that runs this, with the FFmpeg that is chosen.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut cargo = command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), args);
    ffmpeg::set_pkg_config_path(&mut cargo);
    cargo
}

/// Runs a command to its end; its output is shown.
pub(crate) fn run(mut command: Command) -> Result {
    let shown = shown(&command);
    let status = command.status().map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}

/// Runs a command to its end; its output goes to the end of a log.
pub(crate) fn run_into(log: &Path, mut command: Command) -> Result {
    let shown = shown(&command);
    let open = || std::fs::OpenOptions::new().append(true).create(true).open(log);
    let (out, error) = open()
        .and_then(|out| Ok((out.try_clone()?, out)))
        .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    command.stdin(Stdio::null()).stdout(out).stderr(error);
    let status = command.status().map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status}): {}", log.display())) }
}

/// A command's standard output.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let shown = shown(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{shown}` failed ({})", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{shown}` printed bytes that are not UTF-8"))
}

/// Whether a command can be run and succeeds; its output is not shown.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    command(program, args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The local stack until Ctrl-C.
pub(crate) fn up(args: &[String]) -> Result {
    stack("up", args)
}

/// The main job through the public API.
pub(crate) fn demo(args: &[String]) -> Result {
    stack("demo", args)
}

fn stack(subcommand: &str, args: &[String]) -> Result {
    if !args.iter().any(|arg| arg == "--help" || arg == "-h") {
        setup::for_build()?;
        build::guests()?;
    }
    build::programs(build::STACK)?;
    run_stack(subcommand, args)
}

/// New secrets for an edge in production.
pub(crate) fn keys(args: &[String]) -> Result {
    setup::compilers()?;
    build::programs(&["framelift-stack"])?;
    run_stack("keys", args)
}

/// What is wrong with the variables of an edge in production.
pub(crate) fn check_variables(args: &[String]) -> Result {
    setup::compilers()?;
    build::programs(&["framelift-stack"])?;
    run_stack("check-variables", args)
}

/// Simulated days, and what they take.
pub(crate) fn simulate(args: &[String]) -> Result {
    setup::compilers()?;
    build::programs(&["framelift-simulate"])?;
    let mut simulate = Command::new(target().join("debug/framelift-simulate"));
    simulate.args(args);
    run(simulate)
}

fn run_stack(subcommand: &str, args: &[String]) -> Result {
    let mut command = Command::new(target().join("debug/framelift-stack"));
    command.arg(subcommand).args(args).current_dir(root());
    // Replaces this process, so that Ctrl-C and signals reach the program and its exit code is returned.
    let error = command.exec();
    Err(format!("cannot run `{}`: {error}", shown(&command)))
}
