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

use clap::Parser;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
