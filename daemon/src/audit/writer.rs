//! A thread that writes one log: it combines repeats into one line, and writes in batches. It does not wake while there
//! is nothing to write.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ssod_control::AuditEntry;

use super::log_file::LogFile;
use super::no_room::NoRoom;
use super::note::{Message, Note};
use super::repeated_grants::Counters;

/// The shortest time between two collections of the connections' counters.
const COLLECTION_INTERVAL: Duration = Duration::from_millis(100);
/// The maximum delay before a line is written.
const MAX_WRITE_DELAY: Duration = Duration::from_millis(500);
/// The delay before a failed write is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// The number of entries that are written without a delay.
const MAX_BATCH: usize = 1_024;
/// The maximum number of entries that wait while the file cannot be written.
const MAX_PENDING: usize = 4_096;

/// Decides which notes are lines, and which are counted.
pub(super) trait Combiner: Send + 'static {
    /// Returns the lines that the note leads to, which are none if it is only counted.
    fn combine(&mut self, note: Note, now: Instant) -> Vec<AuditEntry>;

    /// Returns when the next count ends.
    fn next_end(&self) -> Option<Instant>;

    /// Ends the counts whose time is over, or all, and returns their lines.
    fn end(&mut self, now: Option<Instant>) -> Vec<AuditEntry>;
}

/// Writes one log.
pub(super) struct Writer<C> {
    file: LogFile,
    combiner: C,
    no_room: NoRoom,
    counters: Arc<Counters>,
    /// When the counters were collected last.
    collected: Option<Instant>,
    pending: VecDeque<AuditEntry>,
    write_at: Option<Instant>,
    /// Whether the last write failed.
    has_failed: bool,
    /// Whether this thread waits for a message.
    is_idle: Arc<AtomicBool>,
}

impl<C: Combiner> Writer<C> {
    pub(super) fn new(
        file: LogFile,
        combiner: C,
        no_room: NoRoom,
        counters: Arc<Counters>,
        is_idle: Arc<AtomicBool>,
    ) -> Self {
        Self {
            file,
            combiner,
            no_room,
            counters,
            collected: None,
            pending: VecDeque::new(),
            write_at: None,
            has_failed: false,
            is_idle,
        }
    }

    /// Writes until all senders of the queue are dropped.
    pub(super) fn run(mut self, notes: &Receiver<Message>) {
        loop {
            let ends = self.combiner.next_end().into_iter();
            let next = ends.chain(self.write_at).chain(self.collect_at(Instant::now())).min();
            self.is_idle.store(true, Ordering::Relaxed);
            let message = match next {
                None => notes.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => notes.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            self.is_idle.store(false, Ordering::Relaxed);
            let now = Instant::now();
            match message {
                Ok(Message::Note(note)) => {
                    let lines = self.combiner.combine(*note, now);
                    self.push(lines, now);
                }
                Ok(Message::Finish(done)) => {
                    self.finish();
                    // The caller may no longer wait.
                    let _ = done.send(self.file.head());
                }
                Ok(Message::Collect) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.collect_at(now).is_some_and(|at| at <= now) {
                self.collect(now);
            }
            let ended = self.combiner.end(Some(now));
            self.push(ended, now);
            if self.write_at.is_some_and(|at| at <= now) {
                self.write(now);
            }
        }
        self.finish();
    }

    /// Writes everything, and records the newest entry.
    fn finish(&mut self) {
        let now = Instant::now();
        self.collect(now);
        let counts = self.combiner.end(None);
        // The second time, there is room for what was only counted.
        for entries in [counts, Vec::new()] {
            self.push(entries, now);
            self.write(now);
        }
        self.file.save_head();
    }

    /// Returns when to collect the counters; `None` if they have counted nothing.
    fn collect_at(&self, now: Instant) -> Option<Instant> {
        let has_waiting = self.counters.has_waiting();
        has_waiting.then(|| self.collected.map_or(now, |last| last + COLLECTION_INTERVAL))
    }

    fn collect(&mut self, now: Instant) {
        self.collected = Some(now);
        for note in self.counters.take() {
            let lines = self.combiner.combine(note, now);
            self.push(lines, now);
        }
    }

    fn push(&mut self, entries: Vec<AuditEntry>, now: Instant) {
        let has_room = self.pending.len() < MAX_PENDING;
        let counted = if has_room { self.no_room.take_counts() } else { Vec::new() };
        for entry in entries.into_iter().chain(counted) {
            self.write_at.get_or_insert(now + MAX_WRITE_DELAY);
            if self.pending.len() < MAX_PENDING {
                self.pending.push_back(AuditEntry { lost: self.no_room.take_lost(), ..entry });
            } else {
                self.no_room.add(|| entry);
            }
        }
        if self.pending.len() >= MAX_BATCH && !self.has_failed {
            self.write_at = Some(now);
        }
    }

    fn write(&mut self, now: Instant) {
        self.write_at = None;
        if self.pending.is_empty() {
            return;
        }
        let written = self.file.append(&mut self.pending);
        self.has_failed = written.is_err();
        if let Err(error) = written {
            let (path, waiting) = (self.file.path().to_owned(), self.pending.len());
            tracing::error!(%error, waiting, path = %path.display(), "the audit log cannot be written");
            self.write_at = Some(now + RETRY_DELAY);
        }
    }
}
