//! `ssod`, the client: parses the command line, calls the daemon, edits the AWS config file, opens the browser.

mod access;
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
mod key_store;
mod local_settings;
mod memory;
mod precedence;
mod prompt;
mod quoting;
mod service;
mod settings_file;
mod shell;
mod sign_in;
mod table;
mod terminal;
mod usage_error;
mod user_file;
mod variables;
mod warnings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;

use self::error::CommandResult;

fn main() -> ExitCode {
    memory::protect();
    if let Some(shell) = std::env::var_os(completers::VARIABLE) {
        completers::set_shell(&shell);
        CompleteEnv::with_factory(commands::Cli::command).var(completers::VARIABLE).complete();
    }
    if let Some(result) = commands::run_plain(std::env::args_os().skip(1)) {
        return exit_code(result);
    }
    let cli = match commands::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            commands::before_usage_error(&error);
            return usage_error::report(&error);
        }
    };
    exit_code(commands::run(cli))
}

fn exit_code(result: CommandResult<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
