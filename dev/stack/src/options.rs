//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// All of Framelift on one machine.
#[derive(Parser)]
#[command(name = "framelift-stack", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs the local stack until Ctrl-C.
    Up(UpOptions),
    /// Runs the main job on a real video through the public API.
    Demo(DemoOptions),
    /// Prints new secrets for an edge in production, as variables for Spin.
    Keys(KeysOptions),
    /// Checks the variables of an edge in production, as its components will read them, and lists everything that is
    /// wrong.
    CheckVariables(CheckOptions),
}

#[derive(Args)]
pub(crate) struct CheckOptions {
    /// Lines `SPIN_VARIABLE_NAME=VALUE`; without it, the environment is checked.
    pub(crate) file: Option<PathBuf>,
    /// The app whose variables they are.
    #[arg(long, default_value = "spin.toml")]
    pub(crate) manifest: PathBuf,
}

#[derive(Args)]
pub(crate) struct KeysOptions {
    /// The public keys in use (`public_keys`): print only a new signing key, and these with its public key
    /// added.
    #[arg(long, value_name = "JWKS")]
    pub(crate) public_keys: Option<String>,
}

#[derive(Args, Clone)]
pub(crate) struct UpOptions {
    /// The API's port; 0 picks a free one.
    #[arg(long, default_value_t = 3000)]
    pub(crate) port: u16,
    /// The folder that holds everything; it is still there at the next start.
    #[arg(long, default_value = ".framelift")]
    pub(crate) data: PathBuf,
    /// Worker processes.
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: u16,
    /// Videos that each worker processes at once.
    #[arg(long, default_value_t = 2)]
    pub(crate) concurrency: u16,
    /// Serve the edge with the real `spin` instead of the in-process host: the one that `FRAMELIFT_SPIN`
    /// names, or the one on the PATH.
    #[arg(long)]
    pub(crate) spin: bool,
    /// The app that is served.
    #[arg(long, default_value = "spin.toml")]
    pub(crate) manifest: PathBuf,
    /// Where compiled components are kept; `DIR/cache` if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Use the S3 at this URL instead of the embedded one.
    #[arg(long, value_name = "URL")]
    pub(crate) s3: Option<String>,
    /// Use the SQS at this URL instead of the embedded one.
    #[arg(long, value_name = "URL")]
    pub(crate) sqs: Option<String>,
    /// Let the workers send mail to the SMTP server at this address instead of to the mail catcher.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) smtp: Option<SocketAddr>,
    /// Let the edge host's key-value store behave as real back ends sometimes do (`all`, or a
    /// list of names).
    #[arg(long, value_name = "LIST")]
    pub(crate) quirks: Option<String>,
}

#[derive(Args)]
pub(crate) struct DemoOptions {
    /// Leave the stack running afterwards, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
    /// The API's port; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// The video to send.
    #[arg(long, default_value = "e2e/media/cars-30s.mp4")]
    pub(crate) video: PathBuf,
    /// Where the archive is left, beside the stack's data.
    #[arg(long, default_value = "demo")]
    pub(crate) out: PathBuf,
}
