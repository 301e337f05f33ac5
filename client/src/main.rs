//! `ssod`: parses arguments, calls the daemon, edits the AWS config file, opens the browser, prints.

mod aws_file;
mod browser;
mod cli;
mod commands;
mod daemon;
mod duration;
mod failure;
mod prompt;
mod shell;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;

fn main() -> ExitCode {
    if std::env::var_os(commands::COMPLETION_VARIABLE).is_some() {
        CompleteEnv::with_factory(cli::Cli::command).var(commands::COMPLETION_VARIABLE).complete();
    }
    match commands::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
