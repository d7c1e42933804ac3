//! `cargo xtask …`: everything that a developer or CI runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod bench;
mod build;
mod ci;
mod promises;
mod run;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo [--keep]          the main job on a real video, through the public API, from nothing
  up [OPTIONS]           the local stack until Ctrl-C (up --help has its options)
  keys [--public-keys JWKS]  new secrets for an edge in production, or a further signing key
  test [--package NAME] [--test NAME] [--lib] [FILTER] [-- RUNNER'S ARGUMENTS]
                         every test: unit, integration, end to end; or those that are chosen, for which
                         nothing else is set up or built
  ci [--without-tests]   what CI runs: tidy, fmt, clippy, deny, docs, guests, tests
  tidy                   the rules on dependencies, files and documents
  bench [NAME]           the benchmarks, and the side-by-side runs against other tools
  bench side-by-side [--quick] [--only NAME] [--rounds N]   those runs alone
  setup                  installs what is missing; the other commands do it by themselves";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let result = match command.as_str() {
        "demo" => run::demo(&rest),
        "up" => run::up(&rest),
        "keys" => run::keys(&rest),
        "test" => test::test(&rest),
        "ci" => ci::ci(&rest),
        "tidy" => tidy::tidy(),
        "bench" => bench::bench(&rest),
        "setup" => setup::for_tests(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
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
