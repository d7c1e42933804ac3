//! Prints the tables of `docs/scaling.md`, or, with `--seed N`, those of another day.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seed = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(framelift_simulate::SEED),
        ["--seed", number] => number.parse().ok(),
        _ => None,
    };
    let Some(seed) = seed else {
        eprintln!("usage: cargo xtask simulate [--seed N]");
        return ExitCode::from(2);
    };
    print!("{}", framelift_simulate::tables(seed));
    ExitCode::SUCCESS
}
