//! `ssod completions`, and the names that they offer.

use clap_complete::CompletionCandidate;
use clap_complete::env::Shells;
use ssod_control::{Paths, Status};

use crate::cli::Completions;
use crate::daemon;
use crate::failure::{Failure, Outcome};
use crate::terminal;

/// The variable by which a shell's completion asks this program for candidates.
pub(crate) const VARIABLE: &str = "SSOD_COMPLETE";

pub(crate) fn run(command: &Completions) -> Outcome<()> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&command.shell) else {
        let known = shells.names().collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!("ssod has no completions for {}.", command.shell))
            .hint(format!("It has them for {known}")));
    };
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or_else(|| Failure::new("This program's path is not text."))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "ssod", "ssod", program, &mut script)?;
    Ok(terminal::print(&String::from_utf8_lossy(&script))?)
}

/// The profiles and sessions of a running daemon. None is started for this: completion must not wait.
pub(crate) fn names() -> Vec<CompletionCandidate> {
    let Some(status) = status() else { return Vec::new() };
    let sessions = status.sessions.into_iter().map(|session| session.name);
    let profiles = status.profiles.into_iter().map(|profile| profile.name);
    profiles.chain(sessions).map(CompletionCandidate::new).collect()
}

/// The profiles alone.
pub(crate) fn profiles() -> Vec<CompletionCandidate> {
    let profiles = status().map(|status| status.profiles).unwrap_or_default();
    profiles.into_iter().map(|profile| CompletionCandidate::new(profile.name)).collect()
}

fn status() -> Option<Status> {
    daemon::running(&Paths::from_environment().ok()?)?.get("/v1/status").ok()
}
