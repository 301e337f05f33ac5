//! The handle to the audit log. Requests only put a note into a bounded queue.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use ssod_control::AuditVia;
use ssod_endpoint::{Access, Audit, Outcome, Protocol};
use ssod_model::{ProfileName, Program, Timestamp};
use ssod_peer::UnixPeer;

use super::note::{CallerProcess, Message, Note};
use super::writer::{OnUse, Writer};

/// The maximum number of notes that wait to be written. Further notes are only counted.
const QUEUE_CAPACITY: usize = 4_096;
/// The delay between two attempts to reach a full queue.
const FULL_QUEUE_DELAY: Duration = Duration::from_millis(1);

/// Accepts notes for the audit log's file.
pub(crate) struct AuditLog {
    queue: SyncSender<Message>,
    lost: AtomicU64,
    /// When a caller last got credentials, in milliseconds since 1970.
    last_served: AtomicI64,
}

impl AuditLog {
    /// Opens the file and starts the thread that writes it. The thread calls `on_use` with the program that used a
    /// profile.
    pub(crate) fn start(path: &Path, on_use: OnUse) -> io::Result<Self> {
        let writer = Writer::new(path, on_use)?;
        let (queue, notes) = mpsc::sync_channel(QUEUE_CAPACITY);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&notes))?;
        Ok(Self { queue, lost: AtomicU64::new(0), last_served: AtomicI64::new(i64::MIN) })
    }

    /// Notes a new connection of this user, so that its program is found before it ends.
    pub(crate) fn opened(&self, inode: u32) {
        // If the queue is full, the program is searched for when the request is noted.
        let _ = self.queue.try_send(Message::Opened { inode, at: Instant::now() });
    }

    /// Notes a request over the control socket, on behalf of that program.
    pub(crate) fn note_control(
        &self,
        at: Timestamp,
        via: AuditVia,
        peer: &UnixPeer,
        program: Option<Program>,
        profile: Option<ProfileName>,
        outcome: Outcome,
    ) {
        let pid = program.as_ref().map_or(peer.process.pid(), |program| program.pid);
        let (uid, caller) = (Some(peer.uid), CallerProcess::Pid(pid));
        self.send(Note { at, via, uid, caller, program, profile, outcome, lost: 0 });
    }

    /// Writes the notes that wait, within the given time.
    pub(crate) fn finish(&self, timeout: Duration) {
        let (finished_sender, finished) = mpsc::sync_channel(1);
        let deadline = Instant::now() + timeout;
        let mut message = Message::Finish(finished_sender);
        while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            message = back;
            std::thread::sleep(FULL_QUEUE_DELAY);
        }
        // If the thread does not finish in time, there is nothing more to do.
        let _ = finished.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    /// Returns when a caller last got credentials.
    pub(crate) fn last_served(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.last_served.load(Ordering::Relaxed)).ok()
    }

    fn send(&self, mut note: Note) {
        if note.outcome == Outcome::Served {
            self.last_served.store(note.at.as_millisecond(), Ordering::Relaxed);
        }
        note.lost = self.lost.swap(0, Ordering::Relaxed);
        if let Err(TrySendError::Full(Message::Note(note))) =
            self.queue.try_send(Message::Note(Box::new(note)))
        {
            self.lost.fetch_add(note.lost + 1, Ordering::Relaxed);
        }
    }
}

impl Audit for AuditLog {
    fn note(&self, access: Access) {
        let Access { at, caller, protocol, profile, outcome } = access;
        let via = match protocol {
            Protocol::Container => AuditVia::Container,
            Protocol::Imds => AuditVia::Imds,
        };
        let (uid, caller) = (caller.uid, CallerProcess::Socket(caller.inode));
        self.send(Note { at, via, uid, caller, program: None, profile, outcome, lost: 0 });
    }
}

#[cfg(test)]
mod tests {
    use ssod_control::{AuditEntry, AuditOutcome};
    use ssod_endpoint::Caller;

    use super::*;

    fn access(profile: &str, inode: u32, refused: Option<&str>) -> Access {
        let outcome =
            refused.map_or(Outcome::Served, |reason| Outcome::Refused { reason: reason.to_owned() });
        Access {
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            caller: Caller { uid: Some(4_242), inode },
            protocol: Protocol::Container,
            profile: ProfileName::parse(profile).ok(),
            outcome,
        }
    }

    fn refused(reason: &str) -> Outcome {
        Outcome::Refused { reason: reason.to_owned() }
    }

    fn written(folder: &Path, note: impl FnOnce(&AuditLog)) -> Vec<AuditEntry> {
        let path = folder.join("audit.jsonl");
        let log = AuditLog::start(&path, Box::new(|_, _| {})).unwrap();
        note(&log);
        log.finish(Duration::from_secs(5));
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn repeats_are_counted_into_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let lines = written(folder.path(), |log| {
            for inode in 0..1_000 {
                log.note(access("adminUser", inode, Some("CallerRefused: it belongs to another user")));
            }
            log.note(access("adminUser", 7, None));
            log.note(access("adminUser", 7, None));
            log.note(access("adminUser", 8, None));
        });
        let seen: Vec<_> = lines.iter().map(|line| (line.outcome, line.repeated)).collect();
        assert_eq!(
            seen[..3],
            [(AuditOutcome::Refused, 0), (AuditOutcome::Served, 0), (AuditOutcome::Served, 0)]
        );
        assert_eq!(seen.len(), 5, "{seen:?}");
        assert!(
            seen.contains(&(AuditOutcome::Refused, 999)) && seen.contains(&(AuditOutcome::Served, 1)),
            "{seen:?}"
        );
    }

    #[test]
    fn a_line_for_repeats_of_several_processes_names_none_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::start(&path, Box::new(|_, _| {})).unwrap();
        let at = Timestamp::from_second(1).unwrap();
        let peer = UnixPeer { uid: 1, process: ssod_peer::Process::default() };
        for pid in [1, 2] {
            let program = Program { pid, path: format!("/bin/p{pid}"), name: format!("p{pid}") };
            log.note_control(at, AuditVia::Control, &peer, Some(program), None, refused("no"));
        }
        log.note(access("adminUser", 7, None));
        log.note(access("adminUser", 7, None));
        // The repeat of a grant is written after a second, even if no other note follows.
        let lines = || std::fs::read_to_string(&path).unwrap_or_default().lines().count();
        let deadline = Instant::now() + Duration::from_secs(10);
        while lines() < 3 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(lines(), 3, "the repeat of the grant is on disk");
        log.finish(Duration::from_secs(5));
        let text = std::fs::read_to_string(&path).unwrap();
        let refused: Vec<AuditEntry> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let again = refused
            .iter()
            .find(|entry| entry.outcome == AuditOutcome::Refused && entry.repeated == 1)
            .unwrap();
        assert_eq!((again.pid, again.program.as_deref()), (None, None));
    }

    #[test]
    fn a_program_name_cannot_forge_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let forged = "x\n{\"at\":\"now\",\"outcome\":\"served\",\"profile\":\"adminUser\"}";
        let lines = written(folder.path(), |log| {
            log.note(access("adminUser", 1, Some(forged)));
            let program = Program { pid: 1, path: forged.to_owned(), name: forged.to_owned() };
            let peer = UnixPeer { uid: 1, process: ssod_peer::Process::default() };
            let at = Timestamp::from_second(1).unwrap();
            log.note_control(at, AuditVia::CredentialProcess, &peer, Some(program), None, Outcome::Served);
        });
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].reason.as_deref(), Some(forged));
        assert_eq!(lines[1].path.as_deref(), Some(forged));
    }
}
