//! The handle to the audit logs. Requests only put a note into a bounded queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use ssod_control::{AuditAction, AuditVia, AuditWritten, ChainHead, Paths};
use ssod_endpoint::{Access, Audit, Caller, Grant, Noted, Protocol, Repeats};
use ssod_model::{ProfileName, Program, Timestamp};
use ssod_peer::{TcpPeer, UnixPeer};
use tokio::sync::oneshot;

use super::entry::entry;
use super::grants::{Grants, OnUse};
use super::log_file::LogFile;
use super::no_room::NoRoom;
use super::note::{Message, Note, NoteOutcome, NotedCaller};
use super::overflow::Overflow;
use super::programs::Origin;
use super::refusals::Refusals;
use super::repeated_grants::{ConnectionCounter, Counters, LastServed, RepeatedGrant};
use super::writer::{Combiner, Writer};

/// The maximum number of notes that wait to be written, for each log.
const QUEUE_CAPACITY: usize = 4_096;
/// The delay between two attempts to reach a full queue.
const FULL_QUEUE_DELAY: Duration = Duration::from_millis(1);
/// The maximum size of a file of the log with what callers got. There are two files.
const MAX_SIZE: u64 = 4 * 1024 * 1024;
/// The maximum size of a file of the log with the refusals.
const MAX_REFUSALS_SIZE: u64 = 2 * 1024 * 1024;

/// Accepts notes for the audit logs.
pub(crate) struct AuditLog {
    grants: Queue,
    refusals: Queue,
    last_served: Arc<LastServed>,
}

/// A request or an action over the control socket.
pub(crate) struct ControlNote {
    pub(crate) via: AuditVia,
    /// `None` for a request for credentials.
    pub(crate) action: Option<AuditAction>,
    /// The program that is behind it.
    pub(crate) program: Option<Program>,
    pub(crate) profile: Option<ProfileName>,
    /// What else there is to know, such as the session or the key store.
    pub(crate) detail: Option<String>,
    pub(crate) outcome: NoteOutcome,
}

impl AuditLog {
    /// Opens the files and starts the threads that write them. They call `on_use` with the program that used a profile.
    pub(crate) fn start(paths: &Paths, on_use: OnUse) -> io::Result<Self> {
        let overflow = Arc::new(Overflow::default());
        let file = LogFile::open(&paths.audit(), MAX_SIZE)?;
        let grants = Queue::start("audit", file, Grants::new(on_use), NoRoom::Count(overflow))?;
        let file = LogFile::open(&paths.audit_refusals(), MAX_REFUSALS_SIZE)?;
        let refusals = Queue::start("audit-refused", file, Refusals::new(), NoRoom::Lose(Arc::default()))?;
        Ok(Self { grants, refusals, last_served: Arc::default() })
    }

    /// Notes a request or an action over the control socket.
    pub(crate) fn note_control(&self, at: Timestamp, peer: &UnixPeer, note: ControlNote) {
        let ControlNote { via, action, program, profile, detail, outcome } = note;
        let pid = program.as_ref().map_or(peer.process.pid(), |program| program.pid);
        let (uid, caller) = (Some(peer.uid), NotedCaller::Control { pid, program });
        let (noted, tried, count) = (Instant::now(), None, 1);
        self.send(Note { at, noted, via, action, uid, caller, profile, detail, outcome, count, tried });
    }

    /// Writes the notes that wait, within the given time, and returns the newest entries.
    pub(crate) fn finish(&self, timeout: Duration) -> AuditWritten {
        let deadline = Instant::now() + timeout;
        let [head, refusals_head] =
            [&self.grants, &self.refusals].map(|queue| queue.begin_to_finish(deadline)).map(|finished| {
                // If the thread does not finish in time, there is nothing more to do.
                finished?.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
            });
        AuditWritten { head, refusals_head }
    }

    /// Returns when a caller last got credentials.
    pub(crate) fn last_served(&self) -> Option<Timestamp> {
        self.last_served.get()
    }

    fn send(&self, note: Note) {
        if note.outcome == NoteOutcome::Served {
            self.last_served.at(note.at);
        }
        self.queue(&note.outcome).send(note);
    }

    /// Refusals have a queue, a thread and a file of their own, so that they never delay or replace another entry.
    fn queue(&self, outcome: &NoteOutcome) -> &Queue {
        if outcome.is_refusal() { &self.refusals } else { &self.grants }
    }
}

impl Audit for AuditLog {
    fn note(&self, access: Access) -> Noted {
        let Access { at, caller, protocol, profile, outcome, is_first } = access;
        let outcome = NoteOutcome::from(outcome);
        let noted_caller = noted_caller(caller, is_first);
        let is_own = matches!(noted_caller, NotedCaller::Tcp { .. });
        // No answer waits for the search of another connection.
        let waits = is_first && is_own && self.queue(&outcome).is_idle.load(Ordering::Relaxed);
        let search = waits.then(oneshot::channel);
        let (tried, found) = search.map_or((None, None), |(tried, found)| (Some(tried), Some(found)));
        self.send(Note {
            at,
            noted: Instant::now(),
            via: via(protocol),
            action: None,
            uid: caller.uid,
            caller: noted_caller,
            profile,
            detail: None,
            outcome,
            count: 1,
            tried,
        });
        found.map(Noted::after).unwrap_or_default()
    }

    fn repeats(&self, grant: Grant) -> Box<dyn Repeats> {
        let Grant { caller, protocol, profile } = grant;
        let (via, uid, caller) = (via(protocol), caller.uid, noted_caller(caller, false));
        let grant = RepeatedGrant { via, uid, caller, profile };
        let Queue { sender, counters, no_room, .. } = &self.grants;
        let (counters, writer, no_room) = (counters.clone(), sender.clone(), no_room.clone());
        Box::new(ConnectionCounter::new(grant, counters, writer, no_room, self.last_served.clone()))
    }
}

fn via(protocol: Protocol) -> AuditVia {
    match protocol {
        Protocol::Container => AuditVia::Container,
        Protocol::Imds => AuditVia::Imds,
    }
}

/// Returns who is at the other end of a connection. `is_new` is whether it is the first note about the connection.
fn noted_caller(caller: Caller, is_new: bool) -> NotedCaller {
    let own = caller.uid.filter(|uid| *uid == ssod_peer::own_uid());
    own.map_or(NotedCaller::OtherUser, |uid| {
        let peer = TcpPeer { uid, inode: caller.inode, cgroup: caller.cgroup };
        NotedCaller::Tcp { peer, is_new }
    })
}

/// The queue of one log.
struct Queue {
    sender: SyncSender<Message>,
    /// What connections have counted since the thread collected it.
    counters: Arc<Counters>,
    /// Whether the thread waits for a message.
    is_idle: Arc<AtomicBool>,
    no_room: NoRoom,
}

impl Queue {
    fn start(name: &str, file: LogFile, combiner: impl Combiner, no_room: NoRoom) -> io::Result<Self> {
        let is_idle = Arc::new(AtomicBool::new(false));
        let counters: Arc<Counters> = Arc::default();
        let writer = Writer::new(file, combiner, no_room.clone(), counters.clone(), is_idle.clone());
        let (sender, notes) = mpsc::sync_channel(QUEUE_CAPACITY);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || writer.run(&notes))?;
        Ok(Self { sender, counters, is_idle, no_room })
    }

    fn send(&self, note: Note) {
        if let Err(TrySendError::Full(Message::Note(note))) =
            self.sender.try_send(Message::Note(Box::new(note)))
        {
            self.no_room.add(|| entry(*note, Origin::Unknown));
        }
    }

    /// Asks the thread to write everything, and returns where it replies.
    fn begin_to_finish(&self, deadline: Instant) -> Option<Receiver<ChainHead>> {
        let (finished_sender, finished) = mpsc::sync_channel(1);
        let mut message = Message::Finish(finished_sender);
        while let Err(TrySendError::Full(back)) = self.sender.try_send(message) {
            if Instant::now() >= deadline {
                return None;
            }
            message = back;
            std::thread::sleep(FULL_QUEUE_DELAY);
        }
        Some(finished)
    }
}

#[cfg(test)]
mod tests;
