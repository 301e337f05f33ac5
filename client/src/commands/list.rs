//! `ssod list`.

use ssod_control::{ListRequest, ListedSession};

use super::Context;
use crate::cli::List;
use crate::failure::{Failure, Outcome};
use crate::table::Table;
use crate::{daemon, terminal};

pub(crate) fn run(context: &Context, command: &List) -> Outcome<()> {
    let client = daemon::connect(&context.paths)?;
    let sessions: Vec<ListedSession> =
        client.post("/v1/list", &ListRequest { name: command.name.clone() })?;
    if command.json {
        let text = serde_json::to_string_pretty(&sessions).map_err(std::io::Error::from)?;
        terminal::print(&format!("{text}\n"))?;
    } else {
        terminal::print(&table(&sessions))?;
    }
    // One session's list is still a list; none at all is a failure, the first one's.
    let error = sessions.iter().find_map(|session| session.error.clone());
    match error {
        Some(error) if sessions.iter().all(|session| session.error.is_some()) => Err(Failure::from(error)),
        Some(_) => {
            for error in sessions.iter().filter_map(|session| session.error.as_ref()) {
                terminal::warn(&format!("{} {}", error.message, error.hint.as_deref().unwrap_or_default()));
            }
            Ok(())
        }
        None if sessions.is_empty() => {
            Err(Failure::new("There is no sso-session in the AWS config file.")
                .hint("Add one: ssod configure"))
        }
        None => Ok(()),
    }
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
    let nothing = sessions.iter().filter(|session| session.error.is_none() && session.accounts.is_empty());
    let nothing: String =
        nothing.map(|session| format!("{}: nothing is assigned\n", session.session)).collect();
    format!("{table}{nothing}")
}
