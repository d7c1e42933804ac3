//! `framelift`: frames out of a video, on this machine, with the engine of the service.

mod args;
mod extract;
mod hardware;
mod outcome;
mod probe;
mod progress;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("FRAMELIFT_LOG"))
        .init();
    match args.command {
        Command::Extract(args) => outcome::report(args.json, extract::run(&args)),
        Command::Probe(args) => outcome::report(args.json, probe::run(&args)),
        Command::Hardware(args) => outcome::report(args.json, hardware::run()),
    }
}
