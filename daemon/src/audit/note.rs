//! The messages to the threads that write the audit logs.

use std::borrow::Cow;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use ssod_control::{AuditAction, AuditVia, ChainHead};
use ssod_endpoint::Outcome;
use ssod_model::{ProfileName, Program, Timestamp};
use ssod_peer::TcpPeer;
use tokio::sync::oneshot;

/// A message to a thread that writes a log.
pub(super) enum Message {
    /// A request was answered, or an action ended.
    Note(Box<Note>),
    /// A connection has counted a repeated grant.
    Collect,
    /// Write everything, then reply with the newest entry.
    Finish(SyncSender<ChainHead>),
}

/// One request or action.
pub(super) struct Note {
    pub(super) at: Timestamp,
    /// When the note was made.
    pub(super) noted: Instant,
    pub(super) via: AuditVia,
    /// `None` for a request for credentials.
    pub(super) action: Option<AuditAction>,
    pub(super) uid: Option<u32>,
    pub(super) caller: NotedCaller,
    pub(super) profile: Option<ProfileName>,
    pub(super) detail: Option<String>,
    pub(super) outcome: NoteOutcome,
    /// How many times it happened, of which `at` is the last.
    pub(super) count: u64,
    /// Is dropped when the newest processes have been tried.
    pub(super) tried: Option<oneshot::Sender<()>>,
}

/// The outcome of a request or an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoteOutcome {
    /// Credentials were served.
    Served,
    /// The action was carried out.
    Done,
    /// The caller was refused, or the action failed.
    Refused {
        /// The kind of refusal. It never contains anything that the caller sent.
        code: Cow<'static, str>,
        /// Why.
        reason: String,
    },
}

impl NoteOutcome {
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl From<Outcome> for NoteOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Served => Self::Served,
            Outcome::Refused { code, reason } => Self::Refused { code, reason },
        }
    }
}

/// The caller, as far as it is known without a search.
#[derive(Clone, Debug)]
pub(super) enum NotedCaller {
    /// The process that holds this user's end of a TCP connection.
    Tcp {
        peer: TcpPeer,
        /// Whether it is the first note about the connection.
        is_new: bool,
    },
    /// The process that connected to the control socket, and the program that is behind it.
    Control { pid: u32, program: Option<Program> },
    /// Another user, whose processes are not searched.
    OtherUser,
}
