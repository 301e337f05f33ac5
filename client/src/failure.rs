//! How a command ends that did not do what was asked: one sentence, one hint, an exit status that means something.

use std::fmt;
use std::process::ExitCode;

use ssod_control::{ClientError, ErrorBody, PathsError};

use crate::terminal;

/// The exit statuses that the help text promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Failed = 1,
    Usage = 2,
    SignInNeeded = 3,
    NotReachable = 4,
    /// `ssod exec` found the command, but it does not run.
    CannotRun = 126,
    /// `ssod exec` found no such command.
    NotFound = 127,
    /// Ctrl-C.
    Interrupted = 130,
}

/// What a person reads.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { status: Status::Failed, message: message.into(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { status: Status::Usage, ..Self::new(message) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Ctrl-C at a question: the person knows.
    pub(crate) fn interrupted() -> Self {
        Self { status: Status::Interrupted, ..Self::new("") }
    }

    pub(crate) fn not_reachable(message: impl Into<String>) -> Self {
        Self { status: Status::NotReachable, ..Self::new(message) }
    }

    /// A pipe that nobody reads any more, or Ctrl-C: not worth a word.
    fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    /// Prints it on stderr and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.is_silent() {
            terminal::warn(&format!("{} {}", terminal::red("error:"), self.message));
            if let Some(hint) = &self.hint {
                terminal::warn(&format!("{} {hint}", terminal::bold("hint:")));
            }
        }
        ExitCode::from(self.status as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<ErrorBody> for Failure {
    fn from(error: ErrorBody) -> Self {
        let status = if error.code == "LoginRequired" { Status::SignInNeeded } else { Status::Failed };
        Self { status, message: error.message, hint: error.hint }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(error) => error.into(),
            ClientError::NotReachable { .. } => {
                Self::not_reachable(error.to_string()).hint("The next ssod command starts it")
            }
            error => Self::new(format!("{error}.")).hint("See the daemon's log, or restart it"),
        }
    }
}

impl From<PathsError> for Failure {
    fn from(error: PathsError) -> Self {
        Self::new(format!("{error}."))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::new("")
        } else {
            Self::new(format!("{error}."))
        }
    }
}

impl From<dialoguer::Error> for Failure {
    fn from(error: dialoguer::Error) -> Self {
        let dialoguer::Error::IO(error) = error;
        Self::new(format!("The question could not be asked: {error}."))
            .hint("Give the answers as flags: --help lists them")
    }
}
