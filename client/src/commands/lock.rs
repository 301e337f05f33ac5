//! `ssod lock` and `ssod unlock`.

use ssod_control::{Done, Locked, Unlocked};

use super::Context;
use crate::failure::Outcome;
use crate::{daemon, terminal};

pub(crate) fn lock(context: &Context) -> Outcome<()> {
    let locked: Locked = daemon::connect(&context.paths)?.post("/v1/lock", &Done {})?;
    for session in &locked.lost {
        terminal::warn(&format!(
            "warning: the renewed sign-in of {session} could not be saved before, and is lost; sign in again after the unlock"
        ));
    }
    Ok(terminal::print("Locked: every secret has left the daemon's memory. To go on: ssod unlock\n")?)
}

pub(crate) fn unlock(context: &Context) -> Outcome<()> {
    let unlocked: Unlocked = daemon::connect(&context.paths)?.post("/v1/unlock", &Done {})?;
    Ok(terminal::print(if unlocked.was_open { "It was not locked.\n" } else { "Unlocked.\n" })?)
}
