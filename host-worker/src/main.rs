//! `framelift-worker`: reads its configuration whole, then works until it is told to stop.

mod run;

use std::process::ExitCode;

use clap::Parser as _;
use framelift_telemetry::Telemetry;
use framelift_worker::cli::Arguments;
use framelift_worker::config::{Config, EXIT_CODE};
use framelift_worker::{app, cli, log};

fn main() -> ExitCode {
    if let Some(child) = framelift_sandbox::run_as_child() {
        return child;
    }
    let arguments = Arguments::parse();
    if arguments.print_config_docs {
        cli::print(&framelift_worker::config::markdown());
        return ExitCode::SUCCESS;
    }
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let config = match Config::load(arguments.config.as_deref(), &environment) {
        Ok(config) => config,
        Err(error) => {
            cli::print_error(&error.to_string());
            return ExitCode::from(EXIT_CODE);
        }
    };
    if arguments.check_config {
        return ExitCode::SUCCESS;
    }
    app::use_ring();
    let telemetry =
        match Telemetry::from_environment("framelift-worker", env!("CARGO_PKG_VERSION"), &environment) {
            Ok(telemetry) => telemetry,
            Err(error) => {
                cli::print_error(&error.to_string());
                return ExitCode::from(EXIT_CODE);
            }
        };
    log::init(&config.log, &telemetry);
    let ended = run::run(&config).inspect_err(|error| {
        tracing::error!(error = format!("{error:#}"), "the worker cannot go on");
    });
    telemetry.shutdown();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
