//! The thread that writes the audit log: it finds the program behind each connection, counts repeats into one line,
//! writes in batches, and rotates by size. It does not wake while there is nothing to write.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ssod_control::{AuditEntry, AuditOutcome, AuditVia};
use ssod_endpoint::Outcome;
use ssod_model::{ProfileName, Program};

use super::log_file::LogFile;
use super::note::{CallerProcess, Message, Note};
use super::programs::Programs;

/// The maximum delay before a line is written.
const MAX_WRITE_DELAY: Duration = Duration::from_millis(500);
/// A refusal that repeats within this time is counted instead of written.
const REFUSAL_WINDOW: Duration = Duration::from_mins(1);
/// A grant of the same credentials to the same process within this time is counted instead of written.
const GRANT_WINDOW: Duration = Duration::from_secs(1);
/// The maximum number of requests whose repeats are counted at the same time.
const MAX_REPEATS: usize = 512;

/// Called with the program that used a profile.
pub(crate) type OnUse = Box<dyn Fn(&ProfileName, &Program) + Send>;

pub(super) struct Writer {
    file: LogFile,
    on_use: OnUse,
    repeats: HashMap<RepeatKey, Repeat>,
    programs: Programs,
    lines: Vec<u8>,
}

/// Identifies repeats: two notes with the same key are repeats of one request.
#[derive(PartialEq, Eq, Hash)]
struct RepeatKey {
    via: AuditVia,
    uid: Option<u32>,
    /// `None` for refusals, because a refused caller may make a new connection each time.
    caller: Option<CallerProcess>,
    profile: Option<ProfileName>,
    outcome: Outcome,
}

/// The repeats of a request since its line was written.
struct Repeat {
    entry: AuditEntry,
    /// The first caller.
    caller: CallerProcess,
    count: u64,
    /// The number of notes that were lost meanwhile, because the queue was full.
    lost: u64,
    until: Instant,
}

impl Writer {
    pub(super) fn new(path: &Path, on_use: OnUse) -> io::Result<Self> {
        let (file, programs) = (LogFile::open(path)?, Programs::new());
        Ok(Self { file, on_use, repeats: HashMap::new(), programs, lines: Vec::new() })
    }

    /// Writes until all senders of the queue are dropped.
    pub(super) fn run(mut self, notes: &Receiver<Message>) {
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
                    self.record(*note);
                    write_at.get_or_insert_with(|| Instant::now() + MAX_WRITE_DELAY);
                }
                Ok(Message::Finish(done)) => {
                    self.end_repeats(|_| true);
                    self.write();
                    // The caller may no longer wait.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            self.end_repeats(|repeat| repeat.until <= now);
            // A line about repeats is written at once, because it has waited for its window already.
            if write_at.is_none_or(|at| at <= now) {
                self.write();
                write_at = None;
            }
        }
        self.end_repeats(|_| true);
        self.write();
    }

    fn record(&mut self, note: Note) {
        let is_refusal = note.outcome != Outcome::Served;
        let key = RepeatKey {
            via: note.via,
            uid: note.uid,
            caller: (!is_refusal).then_some(note.caller),
            profile: note.profile.clone(),
            outcome: note.outcome.clone(),
        };
        if let Some(repeat) = self.repeats.get_mut(&key) {
            repeat.count += 1;
            repeat.lost += note.lost;
            repeat.entry.at = note.at.to_string();
            if repeat.caller != note.caller {
                // Several processes made these requests, so the line names none of them.
                (repeat.entry.pid, repeat.entry.program, repeat.entry.path) = (None, None, None);
            }
            return;
        }
        let caller = note.caller;
        let program = note.program.clone().or_else(|| self.programs.behind(note.uid, caller));
        if let (Some(program), Some(profile), false) = (&program, &note.profile, is_refusal) {
            (self.on_use)(profile, program);
        }
        let entry = entry(note, program);
        self.push_line(&entry);
        if self.repeats.len() >= MAX_REPEATS {
            self.end_repeats(|_| true);
        }
        let until = Instant::now() + if is_refusal { REFUSAL_WINDOW } else { GRANT_WINDOW };
        self.repeats.insert(key, Repeat { entry, caller, count: 0, lost: 0, until });
    }

    /// Ends the counting of the repeats that `has_ended` selects, and writes one line for each that occurred.
    fn end_repeats(&mut self, has_ended: impl Fn(&Repeat) -> bool) {
        let ended: Vec<Repeat> =
            self.repeats.extract_if(|_, repeat| has_ended(repeat)).map(|(_, repeat)| repeat).collect();
        for Repeat { entry, count, lost, .. } in ended.into_iter().filter(|repeat| repeat.count > 0) {
            self.push_line(&AuditEntry { repeated: count, lost, ..entry });
        }
    }

    fn push_line(&mut self, entry: &AuditEntry) {
        // This cannot fail: the entry has only strings and numbers.
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
            // The file may end in a truncated line. Opening the file again completes it, so that the next line is
            // readable.
            if let Ok(file) = LogFile::open(&path) {
                self.file = file;
            }
        }
        self.lines.clear();
    }
}

fn entry(note: Note, program: Option<Program>) -> AuditEntry {
    let (outcome, reason) = match note.outcome {
        Outcome::Served => (AuditOutcome::Served, None),
        Outcome::Refused { reason } => (AuditOutcome::Refused, Some(reason)),
    };
    AuditEntry {
        at: note.at.to_string(),
        outcome,
        profile: note.profile.map(|profile| profile.to_string()),
        via: note.via,
        uid: note.uid,
        pid: program.as_ref().map(|program| program.pid),
        program: program.as_ref().map(|program| program.name.clone()),
        path: program.map(|program| program.path),
        reason,
        repeated: 0,
        lost: note.lost,
    }
}
