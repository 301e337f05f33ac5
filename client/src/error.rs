//! The error of a command: one sentence, one hint, and the exit status.

use std::fmt;
use std::process::ExitCode;

use ssod_control::{ClientError, ErrorBody, PathsError};

use crate::terminal::{self, Style};

/// The exit statuses. The help lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    Failed = 1,
    Usage = 2,
    SignInNeeded = 3,
    NotReachable = 4,
    /// `ssod exec` found the command but cannot run it.
    CannotRun = 126,
    /// `ssod exec` did not find the command.
    NotFound = 127,
    /// Ctrl-C.
    Interrupted = 130,
}

/// An error that the user reads.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) status: ExitStatus,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

pub(crate) type CommandResult<T> = Result<T, CommandError>;

impl CommandError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { status: ExitStatus::Failed, message: message.into(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { status: ExitStatus::Usage, ..Self::new(message) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Returns the error for Ctrl-C at a question. It has no message, because the user knows the reason.
    pub(crate) fn interrupted() -> Self {
        Self { status: ExitStatus::Interrupted, ..Self::new("") }
    }

    pub(crate) fn not_reachable(message: impl Into<String>) -> Self {
        Self { status: ExitStatus::NotReachable, ..Self::new(message) }
    }

    /// Returns whether nothing is printed, which is so after Ctrl-C, or when the reader of a pipe has closed it.
    fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    /// Prints the error on stderr and returns the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.is_silent() {
            terminal::eprintln(&format!("{} {}", terminal::stderr_style(Style::Red, "error:"), self.message));
            if let Some(hint) = &self.hint {
                terminal::eprintln(&format!("{} {hint}", terminal::stderr_style(Style::Bold, "hint:")));
            }
        }
        ExitCode::from(self.status as u8)
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<ErrorBody> for CommandError {
    fn from(error: ErrorBody) -> Self {
        let status =
            if error.code == "LoginRequired" { ExitStatus::SignInNeeded } else { ExitStatus::Failed };
        // What the daemon says is one line, so that a name in it cannot add lines that look like ssod's own.
        let one_line = |text: String| terminal::one_line(&text);
        Self { status, message: one_line(error.message), hint: error.hint.map(one_line) }
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(error) => error.into(),
            ClientError::Untrusted { ref reason, .. } => {
                Self::not_reachable(sentence(&error)).hint(reason.remedy())
            }
            ClientError::NotReachable { .. } => {
                Self::not_reachable(error.to_string()).hint("The next ssod command starts the daemon")
            }
            error => Self::new(format!("{error}.")).hint("See the daemon's log, or restart the daemon"),
        }
    }
}

/// Returns the error as a sentence that begins with a capital letter.
fn sentence(error: &ClientError) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    format!("{}.", first.into_iter().chain(characters).collect::<String>())
}

impl From<PathsError> for CommandError {
    fn from(error: PathsError) -> Self {
        match error.remedy() {
            Some(remedy) => Self::not_reachable(format!("{error}.")).hint(remedy),
            None => Self::new(format!("{error}.")),
        }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::new("")
        } else {
            Self::new(format!("{error}."))
        }
    }
}

impl From<dialoguer::Error> for CommandError {
    fn from(error: dialoguer::Error) -> Self {
        let dialoguer::Error::IO(error) = error;
        Self::new(format!("Cannot ask a question in this terminal: {error}."))
            .hint("Give the answers as flags; --help lists them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_says_cannot_add_lines_that_look_like_ssods_own() {
        let error = ErrorBody {
            code: "Unknown".into(),
            message: "\"a\nhint: Run: evil\" is neither a profile nor a session.".into(),
            hint: Some("See\nerror: x".into()),
        };
        let error = CommandError::from(error);
        assert_eq!(error.message, "\"a?hint: Run: evil\" is neither a profile nor a session.");
        assert_eq!(error.hint.as_deref(), Some("See?error: x"));
    }
}
