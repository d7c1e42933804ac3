//! `framelift-stack`: all of Framelift on one machine, and the demonstration that runs on it.

mod app;
mod check;
mod children;
mod clients;
mod data;
mod demo;
mod environment;
mod keys;
mod options;
mod programs;
mod services;
mod stack_file;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let options = options::Cli::parse();
    // The TLS provider must be installed before the HTTP client is made.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match options.command {
        options::Command::Up(options) => app::up(options).await,
        options::Command::Demo(options) => demo::demo(options).await,
        options::Command::Keys(options) => keys::keys(&options),
        options::Command::CheckVariables(options) => check::variables(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            if error.is::<check::InvalidConfiguration>() {
                return ExitCode::from(check::EXIT_CODE);
            }
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "it says why nothing runs")]
fn print_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
