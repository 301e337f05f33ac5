//! `ssod list`.

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{ErrorBody, ListRequest, ListedSession};

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
    let of_sessions: Vec<_> = sessions.iter().filter_map(|session| session.error.as_ref()).collect();
    let of_accounts: Vec<_> = sessions.iter().flat_map(account_errors).collect();
    // The command fails only if nothing could be listed.
    if !sessions.iter().any(is_listed)
        && let Some(first) = of_sessions.iter().chain(&of_accounts).next()
    {
        return Err(CommandError::from((*first).clone()));
    }
    for error in of_sessions {
        terminal::eprintln(&format!("{} {}", error.message, error.hint.as_deref().unwrap_or_default()));
    }
    // The table has each reason.
    if let Some(first) = of_accounts.first() {
        let (count, hint) = (of_accounts.len(), first.hint.as_deref().unwrap_or_default());
        let accounts = if count == 1 { "1 account".to_owned() } else { format!("{count} accounts") };
        terminal::eprintln(&format!("The roles in {accounts} could not be listed. {hint}"));
    }
    Ok(())
}

/// Returns why the roles in some accounts could not be listed.
fn account_errors(session: &ListedSession) -> impl Iterator<Item = &ErrorBody> {
    session.accounts.iter().filter_map(|account| account.error.as_ref())
}

/// Whether the user's roles are known, at least in one account.
fn is_listed(session: &ListedSession) -> bool {
    let accounts = &session.accounts;
    session.error.is_none() && (accounts.is_empty() || accounts.iter().any(|account| account.error.is_none()))
}

fn table(sessions: &[ListedSession]) -> String {
    let mut table = Table::new(["SESSION", "ACCOUNT", "NAME", "ROLE"]);
    for session in sessions {
        for account in &session.accounts {
            let reason = account.error.as_ref().map(|error| &error.message);
            for role in account.roles.iter().chain(reason) {
                table.row([session.session.clone(), account.id.clone(), account.name.clone(), role.clone()]);
            }
        }
    }
    let unassigned = sessions.iter().filter(|session| session.error.is_none() && session.accounts.is_empty());
    let unassigned: String =
        unassigned.map(|session| format!("{}: no account is assigned to you\n", session.session)).collect();
    format!("{table}{unassigned}")
}

#[cfg(test)]
mod tests {
    use ssod_control::Account;

    use super::*;

    fn account(id: &str, role: Option<&str>) -> Account {
        Account {
            id: id.to_owned(),
            name: "n".to_owned(),
            email: String::new(),
            roles: role.iter().map(|role| (*role).to_owned()).collect(),
            error: role.is_none().then(|| ErrorBody {
                code: "Unavailable".to_owned(),
                message: format!("The roles in account {id} cannot be listed."),
                hint: None,
            }),
        }
    }

    fn session(accounts: Vec<Account>) -> ListedSession {
        ListedSession { session: "s".to_owned(), accounts, error: None }
    }

    #[test]
    fn one_account_that_fails_hides_no_other_and_is_shown() {
        let partly = session(vec![account("1", None), account("2", Some("Admin"))]);
        assert_eq!(
            table(std::slice::from_ref(&partly)),
            "SESSION  ACCOUNT  NAME  ROLE\ns        1        n     The roles in account 1 cannot be listed.\ns        2        n     Admin\n"
        );
        assert_eq!(account_errors(&partly).count(), 1);
        assert!(is_listed(&partly));
        assert!(!is_listed(&session(vec![account("1", None)])));
        assert!(is_listed(&session(vec![])));
    }
}
