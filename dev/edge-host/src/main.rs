//! The edge host as a program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use framelift_edge_host::{HostConfig, QuirkSettings, Values};

mod cli;
mod log;

/// Serves the components of a Spin application in one process.
#[derive(Parser)]
#[command(version)]
struct Options {
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
    /// A variable's value, before SPIN_VARIABLE_<NAME> and the manifest's default.
    #[arg(long, value_name = "NAME=VALUE", value_parser = cli::pair)]
    variable: Vec<(String, String)>,
    /// What Spin and real key-value back ends do: `all`, or a list of quirks.
    #[arg(long, env = "FRAMELIFT_QUIRKS", default_value = "")]
    quirks: QuirkSettings,
    /// Where the quirks' chance begins.
    #[arg(long, env = "FRAMELIFT_QUIRK_SEED", default_value_t = 1)]
    quirk_seed: u64,
    /// The requests that one instance takes in its life, as Spin's option of this name.
    #[arg(long, default_value_t = 128)]
    max_instance_reuse_count: usize,
    /// A file that is given the server's address once it serves.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    log::to_stderr();
    let mut variables = Values::from_environment(std::env::vars());
    for (name, value) in options.variable {
        variables.set(name, value);
    }
    let config = HostConfig {
        listen: options.listen,
        data: options.data,
        cache: options.cache,
        variables,
        quirks: options.quirks,
        quirk_seed: options.quirk_seed,
        max_instance_reuse_count: options.max_instance_reuse_count,
        ..HostConfig::new(options.manifest)
    };
    cli::run(config, options.ready_file)
}
