//! Completions and man pages: `framelift completions` and `framelift man`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::args::Cli;
use crate::outcome::{Done, Failed};

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write the pages into DIR
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Prints the shell's script. Ignores a closed pipe.
pub(crate) fn completions(args: &CompletionsArgs) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "framelift", &mut script);
    let _ = std::io::stdout().write_all(&script);
}

/// Writes a page for the program and one for each command.
pub(crate) fn man(args: &ManArgs) -> Result<Done, Failed> {
    let shown = || args.output.display().to_string();
    std::fs::create_dir_all(&args.output).with_context(shown)?;
    clap_mangen::generate_to(Cli::command(), &args.output).with_context(shown)?;
    let text = format!(
        "man pages are in {}; `man -l {}` shows the first",
        shown(),
        args.output.join("framelift.1").display()
    );
    Ok(Done { text, json: json!({"output": shown()}), warnings: Vec::new() })
}
