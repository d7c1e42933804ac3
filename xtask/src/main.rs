//! `cargo xtask …`: everything that a developer or CI runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod bench;
mod build;
mod ci;
mod clients;
mod ffmpeg;
mod fuzz;
mod gpu_kit;
mod infra;
mod load;
mod page;
mod plugins;
mod promises;
mod run;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = include_str!("usage.txt");

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (command, rest) = (args.next().unwrap_or_default(), args.collect::<Vec<String>>());
    let result = match command.as_str() {
        "demo" => run::demo(&rest),
        "up" => run::up(&rest),
        "keys" => run::keys(&rest),
        "check-variables" => run::check_variables(&rest),
        "test" => test::test(&rest),
        "ci" => ci::ci(&rest),
        "tidy" => tidy::tidy(),
        "bench" => bench::bench(&rest),
        "ffmpeg" => ffmpeg::build(&rest),
        "page" => page::build(),
        "clients" => clients::clients(&rest),
        "plugins" => plugins::plugins(&rest),
        "infra" => infra::infra(&rest),
        "fuzz" => fuzz::fuzz(&rest),
        "gpu-kit" => gpu_kit::gpu_kit(),
        "load" => load::load(&rest),
        "simulate" => run::simulate(&rest),
        "setup" => setup::for_tests(),
        "help" | "--help" | "-h" => run::help(USAGE),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
