//! `ssod env`.

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::Status;

use crate::context::Context;
use crate::error::CommandResult;
use crate::shell::{Shell, Variables};
use crate::{completers, connection, shell, terminal};

/// Print the shell commands that select a profile, for use with eval.
///
/// The variables point AWS tools to ssod. No credentials are fetched, so this also works before you sign in; the AWS tool
/// then shows the command to type.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  eval \"$(ssod env readOnlyUser)\"        use readOnlyUser in this shell\n  eval \"$(ssod env)\"                     use the profile that `ssod use` chooses\n  ssod env adminUser --shell fish | source"
)]
pub(crate) struct EnvArgs {
    /// The profile; by default the active one, also when `ssod use` changes it later.
    #[arg(add = ArgValueCandidates::new(completers::profile_names))]
    name: Option<String>,
    /// Use IMDS instead of the container credentials endpoint.
    #[arg(long)]
    imds: bool,
    /// The shell; by default the one that runs ssod, else the one in SHELL.
    #[arg(long, value_enum)]
    shell: Option<Shell>,
}

pub(crate) fn run(context: &Context, args: &EnvArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    let variables = Variables::fetch(&client, args.name.as_deref(), args.imds)?;
    let own = || shell::detect(shell::parent().as_deref(), std::env::var("SHELL").ok().as_deref());
    let shell = args.shell.unwrap_or_else(own);
    if args.name.is_none() && client.get::<Status>("/v1/status")?.active.profile.is_none() {
        terminal::warn("No profile is active yet. Choose one: ssod use PROFILE");
    }
    Ok(terminal::print(&variables.render(shell))?)
}
