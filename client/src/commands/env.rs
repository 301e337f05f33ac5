//! `ssod env`.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;
use ssod_control::Status;

use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::shell::Shell;
use crate::variables::{self, Variables};
use crate::warnings::warn_if_signed_out;
use crate::{completers, connection, terminal};

/// Print the shell commands that select a profile, for use with eval.
///
/// AWS tools in the shell then get this profile's credentials or none, whatever else the shell and the AWS files have.
/// No credentials are fetched, so this also works before you sign in; the AWS tool then shows the command to type. If
/// the profile cannot be used, the printed commands fail and leave the shell without any AWS identity.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  eval \"$(ssod env readOnlyUser)\"        use readOnlyUser in this shell\n  eval \"$(ssod env)\"                     use the profile that `ssod use` chooses\n  eval \"$(ssod env --unset)\"             stop using ssod in this shell\n  ssod env adminUser | source             the same in fish\n  ssod env adminUser | Out-String | Invoke-Expression    in PowerShell"
)]
pub(crate) struct EnvArgs {
    /// The profile; by default the active one. This shell then follows each later `ssod use`.
    #[arg(value_name = "PROFILE", add = ArgValueCandidates::new(completers::profile_names))]
    name: Option<String>,
    /// Use ssod's IMDS (EC2 instance metadata) endpoint instead of its container credentials endpoint.
    #[arg(long)]
    imds: bool,
    /// Remove the variables that `ssod env` has set in this shell.
    #[arg(long, conflicts_with_all = ["name", "imds"])]
    unset: bool,
    /// The syntax of the output; by default that of the shell that runs ssod, else of the shell in SHELL.
    #[arg(long, value_enum)]
    shell: Option<Shell>,
}

pub(crate) fn run(context: &CommandContext, args: &EnvArgs) -> CommandResult<()> {
    let variables = if args.unset {
        Ok(Variables::removing(variables::current))
    } else {
        fetch(context, args.name.as_deref(), args.imds)
    };
    match variables {
        Ok(variables) => Ok(terminal::print_script(&args.shell().render(&variables))?),
        Err(error) => fail(args, error),
    }
}

/// Prints commands that fail, for the shell that evaluates the output, and returns the error.
pub(crate) fn fail(args: &EnvArgs, error: CommandError) -> CommandResult<()> {
    fail_shell(args.shell())?;
    Err(error)
}

/// Does the same for a command line that is wrong, if its command is `env`.
pub(crate) fn fail_shell_of(arguments: impl Iterator<Item = String>) {
    let mut arguments = arguments.skip_while(|argument| argument.starts_with('-'));
    if arguments.next().as_deref() != Some("env") {
        return;
    }
    let shell = named_shell(&arguments.collect::<Vec<_>>()).unwrap_or_else(Shell::of_caller);
    // If stdout is closed, no shell evaluates the output.
    let _ = fail_shell(shell);
}

fn named_shell(arguments: &[String]) -> Option<Shell> {
    let at = arguments.iter().position(|argument| argument.starts_with("--shell"))?;
    let name =
        arguments[at].strip_prefix("--shell=").or_else(|| arguments.get(at + 1).map(String::as_str))?;
    Shell::from_str(name, true).ok()
}

fn fail_shell(shell: Shell) -> std::io::Result<()> {
    if std::io::stdout().is_terminal() {
        return Ok(());
    }
    terminal::print_script(&shell.render_failure(&Variables::without_identity(variables::current)))
}

fn fetch(context: &CommandContext, name: Option<&str>, imds: bool) -> CommandResult<Variables> {
    let client = connection::connect(&context.paths)?;
    let variables = Variables::fetch(context, &client, name, imds)?;
    match name {
        Some(name) => warn_if_signed_out(&client, name)?,
        None if client.get::<Status>("/v1/status")?.active.profile.is_none() => {
            terminal::eprintln("No profile is active yet. Choose one: ssod use PROFILE");
        }
        None => {}
    }
    Ok(variables)
}

impl EnvArgs {
    fn shell(&self) -> Shell {
        self.shell.unwrap_or_else(Shell::of_caller)
    }
}
