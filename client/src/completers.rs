//! The profile and session names that shell completion offers. A name from the config file must not make a shell run a
//! command, neither when it is inserted nor at the next Tab.

use std::ffi::OsStr;
use std::sync::OnceLock;

use clap_complete::CompletionCandidate;
use ssod_control::{Paths, Status};
use ssod_model::is_printable;

use crate::daemon_process;
use crate::quoting::{escape_bash, is_inert};

/// The completion script sets this variable to the shell's name when it runs ssod to get candidates.
pub(crate) const VARIABLE: &str = "SSOD_COMPLETE";

/// How the shell that asks for candidates inserts one into its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insertion {
    /// bash inserts the text as it is, so the text must be escaped.
    Unchanged,
    /// zsh and fish quote what needs quotes.
    Quoted,
    /// Elvish and PowerShell: not proved by a test.
    Unknown,
}

static INSERTION: OnceLock<Insertion> = OnceLock::new();

/// Sets the shell that asks for candidates, as [`VARIABLE`] names it.
pub(crate) fn set_shell(name: &OsStr) {
    INSERTION.get_or_init(|| insertion(name));
}

fn insertion(shell: &OsStr) -> Insertion {
    match shell.to_str() {
        Some("bash") => Insertion::Unchanged,
        Some("zsh" | "fish") => Insertion::Quoted,
        _ => Insertion::Unknown,
    }
}

/// Returns the profiles and sessions of a running daemon. Does not start a daemon, because completion must not wait.
pub(crate) fn profile_and_session_names() -> Vec<CompletionCandidate> {
    let Some(status) = status() else { return Vec::new() };
    let sessions = status.sessions.into_iter().map(|session| session.name);
    let profiles = status.profiles.into_iter().map(|profile| profile.name);
    candidates(profiles.chain(sessions))
}

/// Returns the profiles only.
pub(crate) fn profile_names() -> Vec<CompletionCandidate> {
    let profiles = status().map(|status| status.profiles).unwrap_or_default();
    candidates(profiles.into_iter().map(|profile| profile.name))
}

fn candidates(names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let insertion = INSERTION.get().copied().unwrap_or(Insertion::Unknown);
    names.filter_map(|name| written(&name, insertion)).map(CompletionCandidate::new).collect()
}

/// Returns the name as the shell must get it; `None` if it is not offered.
fn written(name: &str, insertion: Insertion) -> Option<String> {
    match insertion {
        _ if is_inert(name) => Some(name.to_owned()),
        // The shell shows its candidates on the terminal.
        _ if !name.chars().all(is_printable) => None,
        Insertion::Unchanged => Some(escape_bash(name)),
        Insertion::Quoted => Some(name.to_owned()),
        Insertion::Unknown => None,
    }
}

fn status() -> Option<Status> {
    daemon_process::find_running(&Paths::from_environment().ok()?).ok()??.get("/v1/status").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_shell_could_interpret_is_quoted_or_not_offered() {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish", ""] {
            let written = |name| written(name, insertion(OsStr::new(shell)));
            assert_eq!(written("adminUser").as_deref(), Some("adminUser"), "{shell}");
            assert_eq!(written("a\u{202e}b"), None, "{shell}");
            let expected = match shell {
                "bash" => Some(r"zz\$\(touch\ X\)"),
                "zsh" | "fish" => Some("zz$(touch X)"),
                _ => None,
            };
            assert_eq!(written("zz$(touch X)").as_deref(), expected, "{shell}");
        }
    }
}
