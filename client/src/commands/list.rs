//! `ssod list`.

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{ListRequest, ListedSession};

use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::table::Table;
use crate::{completers, connection, terminal};

/// List the accounts and roles that are assigned to you.
///
/// The roles are those that you can give to `ssod configure`. ssod gets the list from AWS, so you must be signed in.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod list                          the roles of all sessions\n  ssod list adminUser                the roles of the session of profile adminUser\n  ssod list --json | jq -r '.[].accounts[].id'"
)]
pub(crate) struct ListArgs {
    /// A profile or an sso-session; by default all sessions.
    #[arg(add = ArgValueCandidates::new(completers::profile_and_session_names))]
    name: Option<String>,
    /// Print the list as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &CommandContext, args: &ListArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    let sessions: Vec<ListedSession> = client.post("/v1/list", &ListRequest { name: args.name.clone() })?;
    if args.json {
        terminal::print_json(serde_json::to_string_pretty(&sessions))?;
    } else {
        terminal::print(&table(&sessions))?;
    }
    if sessions.is_empty() {
        return Err(CommandError::new("There is no sso-session in the AWS config file.")
            .hint("Add one: ssod configure"));
    }
    let errors: Vec<_> = sessions.iter().filter_map(|session| session.error.as_ref()).collect();
    // The command fails only if no session could be listed.
    if errors.len() == sessions.len() {
        return Err(CommandError::from(errors[0].clone()));
    }
    for error in errors {
        terminal::eprintln(&format!("{} {}", error.message, error.hint.as_deref().unwrap_or_default()));
    }
    Ok(())
}

fn table(sessions: &[ListedSession]) -> String {
    let mut table = Table::new(["SESSION", "ACCOUNT", "NAME", "ROLE"]);
    for session in sessions {
        for account in &session.accounts {
            for role in &account.roles {
                table.row([session.session.clone(), account.id.clone(), account.name.clone(), role.clone()]);
            }
        }
    }
    let unassigned = sessions.iter().filter(|session| session.error.is_none() && session.accounts.is_empty());
    let unassigned: String =
        unassigned.map(|session| format!("{}: no account is assigned to you\n", session.session)).collect();
    format!("{table}{unassigned}")
}
