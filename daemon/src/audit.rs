//! The audit log: who got which profile's credentials, and who did not. One JSON object a line, so that nothing in a
//! program's name can forge a line.
//!
//! Requests only put a note into a bounded queue. A thread of its own finds the program behind each connection, counts
//! what repeats itself into one line, writes in batches, and rotates by size. With nothing to write it does not wake.

mod log_file;
mod programs;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use ssod_control::AuditEntry;
use ssod_endpoint::{Access, Audit, Way};
use ssod_model::{ProfileName, Program, Timestamp};
use ssod_peer::UnixPeer;

use log_file::LogFile;
use programs::Programs;

/// Notes that wait to be written; above it they are counted only.
const QUEUE: usize = 4_096;
/// A batch is at most this old when it is written.
const BATCH: Duration = Duration::from_millis(500);
/// The same refusal again within this is counted.
const REFUSALS: Duration = Duration::from_mins(1);
/// The same process that gets the same credentials again within this is counted.
const GRANTS: Duration = Duration::from_secs(1);
/// More different things than this are not remembered at one time.
const REMEMBERED: usize = 512;

/// Takes notes for the file.
pub(crate) struct AuditLog {
    queue: SyncSender<Message>,
    lost: AtomicU64,
    /// In milliseconds since 1970.
    last_served: AtomicI64,
}

enum Message {
    /// A connection of this user's, whose program is best looked for while it is busy.
    Opened {
        inode: u32,
        at: Instant,
    },
    Note(Box<Note>),
    /// Write everything, then say so.
    Finish(SyncSender<()>),
}

/// Whose request it was, as far as it is known without looking further.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    /// The process that holds the socket of that inode.
    Socket(u32),
    /// A process that is known already, or is gone.
    Known { pid: u32 },
}

struct Note {
    at: Timestamp,
    via: &'static str,
    uid: Option<u32>,
    who: Who,
    program: Option<Program>,
    profile: Option<ProfileName>,
    refused: Option<String>,
    lost: u64,
}

/// Is told which program used a profile.
pub(crate) type OnUse = Box<dyn Fn(&ProfileName, &Program) + Send>;

impl AuditLog {
    /// Opens the file and starts the thread.
    pub(crate) fn start(path: &Path, on_use: OnUse) -> io::Result<Self> {
        let writer = Writer {
            file: LogFile::open(path)?,
            on_use,
            repeats: HashMap::new(),
            programs: Programs::new(),
            lines: Vec::new(),
        };
        let (queue, notes) = mpsc::sync_channel(QUEUE);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&notes))?;
        Ok(Self { queue, lost: AtomicU64::new(0), last_served: AtomicI64::new(i64::MIN) })
    }

    /// A connection was made; whoever holds that socket may be gone by the time it is answered.
    pub(crate) fn opened(&self, inode: u32) {
        // With no room left it is looked for later, or not found.
        let _ = self.queue.try_send(Message::Opened { inode, at: Instant::now() });
    }

    /// Notes a request over the control socket, on behalf of that program.
    pub(crate) fn note_control(
        &self,
        at: Timestamp,
        via: &'static str,
        peer: &UnixPeer,
        program: Option<Program>,
        profile: Option<ProfileName>,
        refused: Option<String>,
    ) {
        let pid = program.as_ref().map_or(peer.process.pid(), |program| program.pid);
        self.send(Note {
            at,
            via,
            uid: Some(peer.uid),
            who: Who::Known { pid },
            program,
            profile,
            refused,
            lost: 0,
        });
    }

    /// Writes what waits, within the given time.
    pub(crate) fn finish(&self, patience: Duration) {
        let (done, finished) = mpsc::sync_channel(1);
        let until = Instant::now() + patience;
        let mut message = Message::Finish(done);
        while let Err(mpsc::TrySendError::Full(back)) = self.queue.try_send(message) {
            if Instant::now() >= until {
                return;
            }
            message = back;
            std::thread::sleep(Duration::from_millis(1));
        }
        // Whether it came to an end in time makes no difference to what can be done now.
        let _ = finished.recv_timeout(until.saturating_duration_since(Instant::now()));
    }

    /// When somebody last got credentials.
    pub(crate) fn last_served(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.last_served.load(Ordering::Relaxed)).ok()
    }

    fn send(&self, mut note: Note) {
        if note.refused.is_none() {
            self.last_served.store(note.at.as_millisecond(), Ordering::Relaxed);
        }
        note.lost = self.lost.swap(0, Ordering::Relaxed);
        if let Err(mpsc::TrySendError::Full(Message::Note(note))) =
            self.queue.try_send(Message::Note(Box::new(note)))
        {
            self.lost.fetch_add(note.lost + 1, Ordering::Relaxed);
        }
    }
}

impl Audit for AuditLog {
    fn note(&self, access: Access) {
        let via = match access.way {
            Way::Container => "container",
            Way::Imds => "imds",
        };
        self.send(Note {
            at: access.at,
            via,
            uid: access.caller.uid,
            who: Who::Socket(access.caller.inode),
            program: None,
            profile: access.profile,
            refused: access.refused,
            lost: 0,
        });
    }
}

/// What makes two notes the same thing again.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    via: &'static str,
    uid: Option<u32>,
    /// Not for refusals: whoever is refused may come with a new connection each time.
    who: Option<Who>,
    profile: Option<ProfileName>,
    refused: Option<String>,
}

/// What happened again since its line was written.
struct Repeat {
    entry: AuditEntry,
    /// Who did it first.
    who: Who,
    again: u64,
    /// Notes that found no room meanwhile.
    lost: u64,
    until: Instant,
}

struct Writer {
    file: LogFile,
    on_use: OnUse,
    repeats: HashMap<Key, Repeat>,
    programs: Programs,
    lines: Vec<u8>,
}

impl Writer {
    fn run(mut self, notes: &Receiver<Message>) {
        let mut write_at: Option<Instant> = None;
        loop {
            let next = self.repeats.values().map(|repeat| repeat.until).chain(write_at).min();
            let message = match next {
                None => notes.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => notes.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match message {
                Ok(Message::Opened { inode, at }) => self.programs.look_up(inode, at),
                Ok(Message::Note(note)) => {
                    self.take(*note);
                    write_at.get_or_insert_with(|| Instant::now() + BATCH);
                }
                Ok(Message::Finish(done)) => {
                    self.settle(|_| true);
                    self.write();
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            self.settle(|repeat| repeat.until <= now);
            // A line that tells of repeats has waited long enough.
            if write_at.is_none_or(|at| at <= now) {
                self.write();
                write_at = None;
            }
        }
        self.settle(|_| true);
        self.write();
    }

    fn take(&mut self, note: Note) {
        let is_refusal = note.refused.is_some();
        let who = (!is_refusal).then(|| note.who.clone());
        let key = Key {
            via: note.via,
            uid: note.uid,
            who,
            profile: note.profile.clone(),
            refused: note.refused.clone(),
        };
        if let Some(repeat) = self.repeats.get_mut(&key) {
            repeat.again += 1;
            repeat.lost += note.lost;
            repeat.entry.at = note.at.to_string();
            if repeat.who != note.who {
                // Several did it: none of them is named.
                (repeat.entry.pid, repeat.entry.program, repeat.entry.path) = (None, None, None);
            }
            return;
        }
        let program = note.program.clone().or_else(|| self.programs.behind(note.uid, &note.who));
        if let (Some(program), Some(profile), false) = (&program, &note.profile, is_refusal) {
            (self.on_use)(profile, program);
        }
        let entry = AuditEntry {
            at: note.at.to_string(),
            outcome: if is_refusal { "refused" } else { "served" }.to_owned(),
            profile: note.profile.map(|profile| profile.to_string()),
            via: note.via.to_owned(),
            uid: note.uid,
            pid: program.as_ref().map(|program| program.pid),
            program: program.as_ref().map(|program| program.name.clone()),
            path: program.map(|program| program.path),
            reason: note.refused,
            repeated: 0,
            lost: note.lost,
        };
        self.line(&entry);
        if self.repeats.len() >= REMEMBERED {
            self.settle(|_| true);
        }
        let until = Instant::now() + if is_refusal { REFUSALS } else { GRANTS };
        self.repeats.insert(key, Repeat { entry, who: note.who, again: 0, lost: 0, until });
    }

    /// Ends the counting of these; what happened again gets one line.
    fn settle(&mut self, over: impl Fn(&Repeat) -> bool) {
        let settled: Vec<Repeat> =
            self.repeats.extract_if(|_, repeat| over(repeat)).map(|(_, repeat)| repeat).collect();
        for Repeat { entry, again, lost, .. } in settled.into_iter().filter(|repeat| repeat.again > 0) {
            self.line(&AuditEntry { repeated: again, lost, ..entry });
        }
    }

    fn line(&mut self, entry: &AuditEntry) {
        // Cannot fail: the entry has only texts and numbers.
        if serde_json::to_writer(&mut self.lines, entry).is_ok() {
            self.lines.push(b'\n');
        }
    }

    fn write(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        if let Err(error) = self.file.append(&self.lines) {
            let lost = self.lines.split(|byte| *byte == b'\n').count() - 1;
            let path = self.file.path.clone();
            tracing::error!(%error, lost, path = %path.display(), "the audit log cannot be written");
            // Half a line may be there: opened anew, it gets an end, and swallows nothing.
            if let Ok(file) = LogFile::open(&path) {
                self.file = file;
            }
        }
        self.lines.clear();
    }
}

#[cfg(test)]
mod tests {
    use ssod_endpoint::Caller;

    use super::*;

    fn access(profile: &str, inode: u32, refused: Option<&str>) -> Access {
        Access {
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            caller: Caller { uid: Some(4_242), inode },
            way: Way::Container,
            profile: ProfileName::parse(profile).ok(),
            refused: refused.map(str::to_owned),
        }
    }

    fn written(folder: &Path, tell: impl FnOnce(&AuditLog)) -> Vec<AuditEntry> {
        let path = folder.join("audit.jsonl");
        let log = AuditLog::start(&path, Box::new(|_, _| {})).unwrap();
        tell(&log);
        log.finish(Duration::from_secs(5));
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn what_repeats_itself_is_counted_into_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let lines = written(folder.path(), |log| {
            for inode in 0..1_000 {
                log.note(access("adminUser", inode, Some("CallerRefused: it belongs to another user")));
            }
            log.note(access("adminUser", 7, None));
            log.note(access("adminUser", 7, None));
            log.note(access("adminUser", 8, None));
        });
        let seen: Vec<_> = lines.iter().map(|line| (line.outcome.as_str(), line.repeated)).collect();
        assert_eq!(seen[..3], [("refused", 0), ("served", 0), ("served", 0)]);
        assert_eq!(seen.len(), 5, "{seen:?}");
        assert!(seen.contains(&("refused", 999)) && seen.contains(&("served", 1)), "{seen:?}");
    }

    #[test]
    fn what_several_did_is_told_of_none_of_them_and_written_without_another_note() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::start(&path, Box::new(|_, _| {})).unwrap();
        let at = Timestamp::from_second(1).unwrap();
        let peer = UnixPeer { uid: 1, process: ssod_peer::Process::default() };
        for pid in [1, 2] {
            let program = Program { pid, path: format!("/bin/p{pid}"), name: format!("p{pid}") };
            log.note_control(at, "control", &peer, Some(program), None, Some("no".to_owned()));
        }
        log.note(access("adminUser", 7, None));
        log.note(access("adminUser", 7, None));
        // The repeat of what was served is settled after a second, with nothing else happening.
        let lines = || std::fs::read_to_string(&path).unwrap_or_default().lines().count();
        let deadline = Instant::now() + Duration::from_secs(10);
        while lines() < 3 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(lines(), 3, "the repeat of what was served is on disk");
        log.finish(Duration::from_secs(5));
        let text = std::fs::read_to_string(&path).unwrap();
        let refused: Vec<AuditEntry> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let again = refused.iter().find(|entry| entry.outcome == "refused" && entry.repeated == 1).unwrap();
        assert_eq!((again.pid, again.program.as_deref()), (None, None));
    }

    #[test]
    fn nothing_in_a_name_forges_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let forged = "x\n{\"at\":\"now\",\"outcome\":\"served\",\"profile\":\"adminUser\"}";
        let lines = written(folder.path(), |log| {
            log.note(access("adminUser", 1, Some(forged)));
            let program = Program { pid: 1, path: forged.to_owned(), name: forged.to_owned() };
            let peer = UnixPeer { uid: 1, process: ssod_peer::Process::default() };
            let at = Timestamp::from_second(1).unwrap();
            log.note_control(at, "credential-process", &peer, Some(program), None, None);
        });
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].reason.as_deref(), Some(forged));
        assert_eq!(lines[1].path.as_deref(), Some(forged));
    }
}
