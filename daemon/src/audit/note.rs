//! The messages to the thread that writes the audit log.

use std::sync::mpsc::SyncSender;
use std::time::Instant;

use ssod_control::AuditVia;
use ssod_endpoint::Outcome;
use ssod_model::{ProfileName, Program, Timestamp};

/// A message to the thread that writes the log.
pub(super) enum Message {
    /// This user opened a connection. Its program is searched for at once, while the connection is open.
    Opened { inode: u32, at: Instant },
    /// A request was answered.
    Note(Box<Note>),
    /// Write everything, then reply.
    Finish(SyncSender<()>),
}

/// One request.
pub(super) struct Note {
    pub(super) at: Timestamp,
    pub(super) via: AuditVia,
    pub(super) uid: Option<u32>,
    pub(super) caller: CallerProcess,
    /// The program, if it is known already.
    pub(super) program: Option<Program>,
    pub(super) profile: Option<ProfileName>,
    pub(super) outcome: Outcome,
    /// The number of earlier notes that were lost, because the queue was full.
    pub(super) lost: u64,
}

/// The caller's process, as far as it is known without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CallerProcess {
    /// The process that holds the socket of that inode.
    Socket(u32),
    /// The process with that id; it may have ended.
    Pid(u32),
}
