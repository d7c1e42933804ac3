//! `framelift`: frames out of videos, on this machine, with the engine of the service.

mod args;
mod extract;
mod hardware;
mod options;
mod outcome;
mod output;
mod plugin;
mod plugins;
mod probe;
mod progress;
mod staging;
mod template;
mod videos;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};
use outcome::Printer;

fn main() -> ExitCode {
    if let Some(child) = framelift_sandbox::enter_if_asked() {
        return child;
    }
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("FRAMELIFT_LOG"))
        .init();
    let printer = |json| Printer { json, ..Printer::default() };
    match cli.command {
        Command::Extract(args) => extract::run(&args),
        Command::Probe(args) => printer(args.json).report(probe::run(&args)),
        Command::Hardware(args) => printer(args.json).report(hardware::run()),
        Command::Plugin(command) => printer(command.json()).report(plugin::run(&command)),
    }
}
