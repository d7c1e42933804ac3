//! `framelift-worker`: reads its configuration whole, then works until it is told to stop.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use framelift_telemetry::Telemetry;
use framelift_worker::cli::Arguments;
use framelift_worker::config::{Config, EXIT_CODE};
use framelift_worker::{app, cli, log, shutdown};

fn main() -> ExitCode {
    if let Some(child) = framelift_sandbox::enter_if_asked() {
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
    let ended = run(config).inspect_err(|error| {
        tracing::error!(error = format!("{error:#}"), "the worker cannot go on");
    });
    telemetry.shutdown();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let stop = shutdown::signals()?;
        let starting = async {
            let aws = app::aws(&config).await;
            app::start(&config, &aws, None, stop.clone()).await
        };
        // Credentials and a GPU that do not answer are not waited for after a signal.
        let worker = tokio::select! {
            biased;
            worker = starting => worker?,
            () = stop.cancelled() => return anyhow::Ok(()),
        };
        // For whoever started it with port 0.
        cli::print(&format!("listening on http://{}\n", worker.health()));
        worker.finished().await.context("the worker's own task ended")
    });
    runtime.shutdown_background();
    result
}
