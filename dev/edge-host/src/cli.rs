//! The host's command line, signals and exit codes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use framelift_edge_host::{HostConfig, HostError, QuirkSettings, Values, serve};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A guest that computes holds its thread, so a few more than there are processors keep the host
/// answering.
const MIN_THREADS: usize = 4;

/// Serves the components of a Spin application in one process.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Options {
    /// The application's manifest.
    #[arg(long, default_value = "spin.toml")]
    manifest: PathBuf,
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The folder for the key-value file; without it, values end with the process.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The folder for compiled components; without it, each start compiles them.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// A variable's value, before `SPIN_VARIABLE_NAME` and the manifest's default.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    variable: Vec<(String, String)>,
    /// Quirks of Spin and of real key-value back ends to imitate: `all`, or a list.
    #[arg(long, env = "FRAMELIFT_QUIRKS", default_value = "")]
    quirks: QuirkSettings,
    /// The seed of the quirks.
    #[arg(long, env = "FRAMELIFT_QUIRK_SEED", default_value_t = 1)]
    quirk_seed: u64,
    /// How many requests one instance serves, as Spin's option of this name.
    #[arg(long, default_value_t = 128)]
    max_instance_reuse_count: usize,
    /// A file to write the server's address to once it serves.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

impl Options {
    fn config(self) -> HostConfig {
        let mut variables = Values::from_environment(std::env::vars());
        for (name, value) in self.variable {
            variables.set(name, value);
        }
        HostConfig {
            listen: self.listen,
            data: self.data,
            cache: self.cache,
            variables,
            quirks: self.quirks,
            quirk_seed: self.quirk_seed,
            max_instance_reuse_count: self.max_instance_reuse_count,
            ..HostConfig::new(self.manifest)
        }
    }
}

/// Reports why the host does not start.
#[expect(clippy::print_stderr, reason = "a start that fails says why in plain text")]
pub(crate) fn refused(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(64)
}

/// Parses `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        // The text may hold a secret, so it is not repeated.
        _ => Err("is not NAME=VALUE".to_owned()),
    }
}

/// Serves until SIGTERM or SIGINT.
#[expect(clippy::print_stderr, reason = "a start that fails says why in plain text")]
pub(crate) fn run(mut options: Options) -> ExitCode {
    let ready_file = options.ready_file.take();
    let config = options.config();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(MIN_THREADS))
        .enable_all()
        .build();
    let result = runtime.context("cannot start the runtime").and_then(|runtime| {
        let result = runtime.block_on(serve_until_signal(config, ready_file.as_deref()));
        // A guest that never ends must not keep the process alive.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            let host = error.downcast_ref::<HostError>();
            ExitCode::from(host.map_or(1, HostError::exit_code))
        }
    }
}

#[expect(clippy::print_stdout, reason = "the one line that a supervisor reads")]
async fn serve_until_signal(config: HostConfig, ready_file: Option<&Path>) -> anyhow::Result<()> {
    // Before the start, so that a signal during it is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = tokio::select! {
        server = serve(config) => server?,
        () = wait_for_either(&mut terminate, &mut interrupt) => return Ok(()),
    };
    let address = format!("http://{}", server.addr);
    if let Some(file) = ready_file {
        write_whole(file, &address).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("listening on {address}");
    wait_for_either(&mut terminate, &mut interrupt).await;
    tracing::info!("edge host stops");
    server.shutdown().await;
    Ok(())
}

async fn wait_for_either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Writes a file atomically.
fn write_whole(file: &Path, text: &str) -> std::io::Result<()> {
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".new");
    std::fs::write(&unfinished, format!("{text}\n"))?;
    std::fs::rename(&unfinished, file)
}
