//! Runs the requested command.

use std::process::ExitCode;

use crate::args::{Cli, Command};
use crate::outcome::{Done, Failed, Printer};
use crate::remote::{self, account, download, login, run as rerun, upload, wait};
use crate::service::ServiceArgs;
use crate::{extract, hardware, interrupts, plugin, probe, shell};

pub(crate) fn run(cli: Cli) -> ExitCode {
    let printer = |json| Printer { json, ..Printer::default() };
    if let Err(error) = interrupts::survive_size_limit() {
        return printer(false).report(Err(error.into()));
    }
    match cli.command {
        Command::Extract(args) => extract::run(&args),
        Command::Probe(args) => printer(args.json).report(probe::run(&args)),
        Command::Hardware(args) => printer(args.json).report(hardware::run()),
        Command::Plugin(command) => printer(command.json()).report(plugin::run(&command)),
        Command::Login(args) => report(&args.service, login::login(&args)),
        Command::Logout(args) => report(&args.service, login::logout(&args)),
        Command::Upload(args) => upload::upload(&args),
        Command::List(args) => report(&args.service, remote::videos::list(&args)),
        Command::Show(args) => report(&args.service, remote::videos::show(&args)),
        Command::Watch(args) => wait::watch(&args),
        Command::Download(args) => report(&args.service, download::download(&args)),
        Command::Frames(args) => report(args.service(), remote::frames::run(&args)),
        Command::Run(args) => report(&args.service, rerun::run(&args)),
        Command::Cancel(args) => remote::videos::each(&args, remote::videos::cancel),
        Command::Rm(args) => remote::videos::each(&args, remote::videos::remove),
        Command::Account(command) => report(command.service(), account::run(&command)),
        Command::Completions(args) => {
            shell::completions(&args);
            ExitCode::SUCCESS
        }
        Command::Man(args) => printer(false).report(shell::man(&args)),
    }
}

fn report(service: &ServiceArgs, result: Result<Done, Failed>) -> ExitCode {
    Printer { json: service.json, quiet: service.quiet, ..Printer::default() }.report(result)
}
