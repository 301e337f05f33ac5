//! `ssod env`.

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::Status;

use crate::context::CommandContext;
use crate::error::CommandResult;
use crate::shell::{Shell, ShellVariables};
use crate::{completers, connection, shell, terminal};

/// Print the shell commands that select a profile, for use with eval.
///
/// The commands set environment variables that tell AWS tools to get their credentials from ssod, and unset variables
/// that override these. No credentials are fetched, so this also works before you sign in; until then, AWS tools fail
/// with an error that names the command to run.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  eval \"$(ssod env readOnlyUser)\"        use readOnlyUser in this shell\n  eval \"$(ssod env)\"                     use the active profile, see `ssod use`\n  ssod env adminUser --shell fish | source\n  eval \"$(ssod env --imds)\"              for tools that support only IMDS"
)]
pub(crate) struct EnvArgs {
    /// The profile; by default the active one. This shell then follows each later `ssod use`.
    #[arg(value_name = "PROFILE", add = ArgValueCandidates::new(completers::profile_names))]
    name: Option<String>,
    /// Use ssod's IMDS (EC2 instance metadata) endpoint instead of its container credentials endpoint.
    #[arg(long)]
    imds: bool,
    /// The syntax of the output; by default that of the shell that runs ssod, else of the shell in SHELL.
    #[arg(long, value_enum)]
    shell: Option<Shell>,
}

pub(crate) fn run(context: &CommandContext, args: &EnvArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    let variables = ShellVariables::fetch(&client, args.name.as_deref(), args.imds)?;
    let own = || shell::detect(shell::parent().as_deref(), std::env::var("SHELL").ok().as_deref());
    let shell = args.shell.unwrap_or_else(own);
    if args.name.is_none() && client.get::<Status>("/v1/status")?.active.profile.is_none() {
        terminal::eprintln("No profile is active yet. Choose one: ssod use PROFILE");
    }
    Ok(terminal::print(&variables.render(shell))?)
}
