//! `ssod logout`.

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{LoggedOut, LogoutRequest, LogoutResult};

use crate::context::CommandContext;
use crate::error::CommandResult;
use crate::{completers, connection, terminal};

/// Sign out, and delete the session's tokens and credentials.
///
/// ssod stops serving the session's credentials at once. AWS cannot revoke credentials that it has already issued, so
/// ssod prints until when they stay valid.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod logout                        sign out of all sessions\n  ssod logout adminUser              sign out of the session of profile adminUser\n  ssod logout --revoke-shells        also make the variables of open shells invalid"
)]
pub(crate) struct LogoutArgs {
    /// A profile or an sso-session; by default all sessions.
    #[arg(add = ArgValueCandidates::new(completers::profile_and_session_names))]
    name: Option<String>,
    /// Also revoke the tokens by which open shells get credentials from ssod; these shells then need a new `ssod env`.
    #[arg(long)]
    revoke_shells: bool,
}

pub(crate) fn run(context: &CommandContext, args: &LogoutArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    let request = LogoutRequest { name: args.name.clone(), revoke_shells: args.revoke_shells };
    let result: LogoutResult = client.post("/v1/logout", &request)?;
    let mut text = String::new();
    for session in result.sessions.iter().filter(|session| session.was_signed_in || args.name.is_some()) {
        text.push_str(&describe(session));
        if let Some(reason) = &session.not_told {
            let name = &session.session;
            terminal::eprintln(&format!(
                "warning: AWS could not be notified of the sign-out of {name}: {reason}"
            ));
        }
    }
    if let Some(problem) = &result.copies_accepted {
        terminal::eprintln(&format!("warning: {problem}"));
    }
    if args.revoke_shells {
        text.push_str("Open shells need a new environment: eval \"$(ssod env PROFILE)\"\n");
    }
    if text.is_empty() {
        text.push_str("No session was signed in.\n");
    }
    Ok(terminal::print(&text)?)
}

fn describe(session: &LoggedOut) -> String {
    let name = &session.session;
    let mut text = if session.was_signed_in {
        format!("Signed out of {name}.\n")
    } else {
        format!("{name} was not signed in.\n")
    };
    for valid in &session.still_valid {
        text.push_str(&format!(
            "  Credentials of {} that were served before stay valid at AWS until {}.\n",
            valid.profile, valid.until
        ));
    }
    text
}
