//! One file for each command, all listed here.

mod audit;
mod completions;
mod configure;
mod credential_process;
mod doctor;
mod env;
mod exec;
mod list;
mod lock;
mod login;
mod logout;
mod man;
pub(crate) mod service;
mod status;
mod use_profile;
mod vault;

use std::process::ExitCode;

use ssod_control::Paths;

use crate::cli::{Cli, Command};
use crate::failure::Outcome;
use crate::terminal;

pub(crate) use completions::VARIABLE as COMPLETION_VARIABLE;
pub(crate) use completions::{names as complete_names, profiles as complete_profiles};

/// What every command may need.
pub(crate) struct Context {
    pub(crate) paths: Paths,
    /// Whether a person can be asked.
    pub(crate) interactive: bool,
}

/// Runs what was typed.
pub(crate) fn run(cli: Cli) -> Outcome<ExitCode> {
    let context =
        Context { paths: Paths::from_environment()?, interactive: terminal::is_interactive(cli.no_input) };
    let done = match cli.command {
        Command::Configure(command) => configure::run(&context, &command),
        Command::Login(command) => login::run(&context, &command),
        Command::Logout(command) => logout::run(&context, &command),
        Command::Use(command) => use_profile::run(&context, &command),
        Command::Env(command) => env::run(&context, &command),
        Command::Exec(command) => exec::run(&context, &command),
        Command::CredentialProcess(command) => credential_process::run(&context, &command),
        Command::List(command) => list::run(&context, &command),
        Command::Status(command) => status::run(&context, &command),
        Command::Doctor(command) => doctor::run(&context, &command),
        Command::Lock => lock::lock(&context),
        Command::Unlock => lock::unlock(&context),
        Command::Vault(command) => vault::run(&context, &command),
        Command::Audit(command) => audit::run(&context, &command),
        Command::Service(command) => service::run(&context, &command),
        Command::Completions(command) => completions::run(&command),
        Command::Man(command) => man::run(&command),
    };
    done.map(|()| ExitCode::SUCCESS)
}
