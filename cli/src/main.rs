//! `framelift`: frames out of videos, on this machine with the engine of the service, or by the service.

mod app;
mod args;
mod extract;
mod hardware;
mod interrupts;
mod options;
mod outcome;
mod output;
mod plugin;
mod plugins;
mod probe;
mod progress;
mod remote;
mod service;
mod shell;
mod staging;
mod template;
mod videos;

use std::process::ExitCode;

use clap::Parser as _;

use args::Cli;

fn main() -> ExitCode {
    if let Some(child) = framelift_sandbox::run_as_child() {
        return child;
    }
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("FRAMELIFT_LOG"))
        .init();
    app::run(cli)
}
