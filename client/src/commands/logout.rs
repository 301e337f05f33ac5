//! `ssod logout`.

use ssod_control::{LogoutRequest, LogoutResult};

use super::Context;
use crate::cli::Logout;
use crate::failure::Outcome;
use crate::{daemon, terminal};

pub(crate) fn run(context: &Context, command: &Logout) -> Outcome<()> {
    let client = daemon::connect(&context.paths)?;
    let result: LogoutResult = client.post(
        "/v1/logout",
        &LogoutRequest { name: command.name.clone(), revoke_shells: command.revoke_shells },
    )?;
    let mut text = String::new();
    for session in result.sessions.iter().filter(|session| session.was_signed_in || command.name.is_some()) {
        let name = &session.session;
        text.push_str(&if session.was_signed_in {
            format!("Signed out of {name}.\n")
        } else {
            format!("Nobody was signed in to {name}.\n")
        });
        for valid in &session.still_valid {
            text.push_str(&format!(
                "  Credentials of {} that were handed out before stay valid at AWS until {}.\n",
                valid.profile, valid.until
            ));
        }
        if let Some(why) = &session.not_told {
            terminal::warn(&format!("warning: AWS could not be told that {name} signed out: {why}"));
        }
    }
    if command.revoke_shells {
        text.push_str("Open shells need a new environment: eval \"$(ssod env PROFILE)\"\n");
    }
    if text.is_empty() {
        text.push_str("Nobody was signed in.\n");
    }
    Ok(terminal::print(&text)?)
}
