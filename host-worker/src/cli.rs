//! The command line, and the only place that prints.

use std::io::Write as _;
use std::path::PathBuf;

/// Takes video jobs from a queue and stores the frames.
#[derive(Debug, clap::Parser)]
#[command(name = "framelift-worker", version)]
pub struct Arguments {
    /// The configuration; every key can also come from the environment.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Checks the configuration and ends.
    #[arg(long)]
    pub check_config: bool,
    /// Prints the documentation of the configuration and ends.
    #[arg(long, hide = true)]
    pub print_config_docs: bool,
}

/// Prints to standard output; a closed pipe is no error.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints a line to standard error, before logging is set up.
pub fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "framelift-worker: {text}");
}
