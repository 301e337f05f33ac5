//! `ssod`: parses arguments, calls the daemon, edits the AWS config file, opens the browser, prints.

mod aws_config;
mod browser;
mod commands;
mod completers;
mod connection;
mod context;
mod daemon_error;
mod daemon_process;
mod duration;
mod error;
mod precedence;
mod prompt;
mod service;
mod shell;
mod sign_in;
mod table;
mod terminal;
mod user_file;
mod variables;
mod warnings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;

fn main() -> ExitCode {
    if std::env::var_os(completers::VARIABLE).is_some() {
        CompleteEnv::with_factory(commands::Cli::command).var(completers::VARIABLE).complete();
    }
    let cli = commands::Cli::try_parse().unwrap_or_else(|error| {
        commands::before_usage_error(&error);
        error.exit()
    });
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
