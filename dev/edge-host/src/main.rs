//! The edge host as a program.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;
mod log;

fn main() -> ExitCode {
    let options = cli::Options::parse();
    log::to_stderr();
    cli::run(options)
}
