//! What a user may not expect, reported on stderr after a command has done its work.

use ssod_control::{ControlClient, ProfileState, Status, Trouble};

use crate::error::CommandResult;
use crate::{terminal, variables};

/// Warns if the profile cannot be used before a sign-in.
pub(crate) fn warn_if_signed_out(client: &ControlClient, name: &str) -> CommandResult<()> {
    let status: Status = client.get("/v1/status")?;
    let profile = status.profiles.iter().find(|profile| profile.name == name);
    let blocked = profile.filter(|profile| profile.state == ProfileState::Blocked);
    if blocked.is_some_and(|profile| profile.trouble == Some(Trouble::SignInNeeded)) {
        terminal::eprintln(&format!("warning: the session of {name} is signed out. Run: ssod login {name}"));
    }
    Ok(())
}

/// Returns the profile that `ssod env` or `ssod exec` has selected in this shell.
pub(crate) fn shell_profile() -> Option<String> {
    variables::current(variables::SHELL_PROFILE).filter(|profile| !profile.is_empty())
}
