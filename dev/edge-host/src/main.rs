//! The edge host as a program.

use std::process::ExitCode;

use clap::Parser as _;
use framelift_telemetry::Telemetry;

mod cli;
mod log;

fn main() -> ExitCode {
    let options = cli::Options::parse();
    // Fails only when a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment = std::env::vars().collect();
    match Telemetry::from_environment("framelift-edge", env!("CARGO_PKG_VERSION"), &environment) {
        Ok(telemetry) => {
            log::to_stderr(&telemetry);
            let code = cli::run(options);
            telemetry.shutdown();
            code
        }
        Err(error) => cli::refused(&error),
    }
}
