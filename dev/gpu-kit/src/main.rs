//! `gpu-kit`: tries the engine on the GPU of the machine it runs on, measures it against the CPU, and writes
//! what it saw to `results.json` and, for people, to the standard output.
//!
//! It needs nothing but NVIDIA's driver and the clips beside it. `cargo xtask gpu-kit` packs both.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod app;
mod checks;
mod clips;
mod device;
mod jobs;
mod measure;
mod results;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = app::Args::parse();
    let done = match &args.decode_forever {
        Some(clip) => checks::decode_forever(clip),
        None => app::run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}
