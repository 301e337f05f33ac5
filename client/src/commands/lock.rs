//! `ssod lock` and `ssod unlock`.

use ssod_control::{Done, Locked, Unlocked};

use crate::context::CommandContext;
use crate::error::CommandResult;
use crate::{connection, terminal};

pub(crate) fn lock(context: &CommandContext) -> CommandResult<()> {
    let locked: Locked = connection::connect(&context.paths)?.post("/v1/lock", &Done {})?;
    for session in &locked.lost {
        terminal::eprintln(&format!(
            "warning: the renewed sign-in of {session} could not be saved and is lost; after the unlock, sign in again"
        ));
    }
    Ok(terminal::print(
        "Locked: every secret was removed from the daemon's memory. To resume: ssod unlock\n",
    )?)
}

pub(crate) fn unlock(context: &CommandContext) -> CommandResult<()> {
    let unlocked: Unlocked = connection::connect(&context.paths)?.post("/v1/unlock", &Done {})?;
    Ok(terminal::print(if unlocked.was_open { "It was not locked.\n" } else { "Unlocked.\n" })?)
}
