//! The file of an audit log: its lines are chained, it is rotated by size, and it is created again if it was removed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ssod_control::{AuditEntry, ChainHead, Paths, chain_line};
use ssod_private_files::{FileError, ReadPolicy, open_for_append, open_to_read};

use super::log_end::LogEnd;

/// How often the newest entry is recorded while entries are written.
const SAVE_INTERVAL: Duration = Duration::from_mins(1);

/// The open file.
pub(super) struct LogFile {
    path: PathBuf,
    /// The maximum size of the file. The rotated file is as large, so the log takes at most twice this.
    max_size: u64,
    file: File,
    inode: u64,
    size: u64,
    /// The newest entry, and the oldest one that is left.
    head: ChainHead,
    /// The number of the file's first entry.
    first_in_file: u64,
    /// Whether the next line does not follow the line before it in the file.
    names_previous: bool,
    /// The hash of an incomplete line at the end.
    torn: Option<String>,
    /// Whether the file ends without a newline.
    needs_newline: bool,
    saved_at: Option<Instant>,
}

impl LogFile {
    /// Opens or creates the file, and continues its chain.
    pub(super) fn open(path: &Path, max_size: u64) -> io::Result<Self> {
        let saved = match ssod_private_files::read(&Paths::chain_head(path), &ReadPolicy::private()) {
            // An unreadable head only means that fewer changes are found.
            Ok(text) => serde_json::from_slice(&text).ok(),
            Err(FileError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        Self::continue_from(path, max_size, KnownHead::AtLeast(saved))
    }

    fn continue_from(path: &Path, max_size: u64, known: KnownHead) -> io::Result<Self> {
        let mut file = open_for_append(path)?;
        let metadata = file.metadata()?;
        let end = LogEnd::read(&mut file)?;
        let is_empty = end.newest.is_none();
        // The daemon may have ended right after it rotated the log.
        let older = open_to_read(&Paths::before(path), &ReadPolicy::private().max_bytes(u64::MAX));
        let newest = match older {
            Ok(mut older) if is_empty => LogEnd::read(&mut older)?,
            _ => end.clone(),
        };
        let Continued { head, is_gap } = known.continued(&newest);
        if is_gap {
            tracing::warn!(
                path = %path.display(),
                "another program changed the audit log; to see where: ssod audit --verify"
            );
        }
        Ok(Self {
            path: path.to_owned(),
            max_size,
            file,
            inode: metadata.ino(),
            size: metadata.len(),
            first_in_file: end.first.unwrap_or(head.seq + 1),
            names_previous: (is_gap || is_empty) && head.seq > 0,
            torn: end.torn.or(newest.torn).filter(|_| head.seq > 0),
            needs_newline: end.needs_newline,
            head,
            saved_at: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the newest entry that is written.
    pub(super) fn head(&self) -> ChainHead {
        self.head.clone()
    }

    /// Appends the entries, and removes those that are written from the queue.
    pub(super) fn append(&mut self, entries: &mut VecDeque<AuditEntry>) -> io::Result<()> {
        // The file may have been removed or replaced meanwhile.
        if !std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            self.reopen()?;
        }
        while !entries.is_empty() {
            let mut batch = Batch::default();
            for entry in entries.iter() {
                let line = self.line(entry, &batch);
                if self.size + (batch.text.len() + line.text.len()) as u64 > self.max_size
                    && !self.is_empty(&batch)
                {
                    batch.is_last_of_file = true;
                    break;
                }
                batch.add(line);
            }
            self.write(&batch)?;
            entries.drain(..batch.lines);
            if batch.is_last_of_file {
                self.rotate()?;
            }
        }
        if self.saved_at.is_none_or(|at| at.elapsed() >= SAVE_INTERVAL) {
            self.save_head();
        }
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let reopened = Self::continue_from(&self.path, self.max_size, KnownHead::Exactly(self.head.clone()))?;
        *self = Self { saved_at: self.saved_at, ..reopened };
        Ok(())
    }

    fn is_empty(&self, batch: &Batch) -> bool {
        self.size == 0 && batch.lines == 0
    }

    /// Returns the line for the entry that follows the batch.
    fn line(&self, entry: &AuditEntry, batch: &Batch) -> Line {
        let is_first = batch.lines == 0;
        let (seq, previous) =
            batch.head.as_ref().unwrap_or(&(self.head.seq, self.head.chain.clone())).clone();
        let entry = AuditEntry {
            seq: seq + 1,
            prev: (is_first && self.names_previous).then(|| previous.clone()),
            torn: self.torn.clone().filter(|_| is_first),
            ..entry.clone()
        };
        let (text, chain) = chain_line(&entry, &previous).unwrap_or_default();
        let newline = if is_first && self.needs_newline { "\n" } else { "" };
        Line { text: format!("{newline}{text}\n"), seq: entry.seq, chain }
    }

    /// Writes the batch, or nothing of it.
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let Some((seq, chain)) = &batch.head else { return Ok(()) };
        if let Err(error) = self.file.write_all(batch.text.as_bytes()) {
            // Part of a batch may be written. If it cannot be removed, the next line names it as incomplete.
            if self.file.set_len(self.size).is_err() {
                self.reopen()?;
            }
            return Err(error);
        }
        self.size += batch.text.len() as u64;
        (self.head.seq, self.head.chain) = (*seq, chain.clone());
        (self.names_previous, self.needs_newline, self.torn) = (false, false, None);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        // The head is recorded before the rename: after a crash between them, more is left than it says, not less.
        self.head.first = self.first_in_file;
        self.save_head();
        std::fs::rename(&self.path, Paths::before(&self.path))?;
        let torn = self.torn.take();
        let file = open_for_append(&self.path)?;
        (self.inode, self.size) = (file.metadata()?.ino(), 0);
        (self.file, self.torn, self.needs_newline) = (file, torn, false);
        (self.first_in_file, self.names_previous) = (self.head.seq + 1, true);
        Ok(())
    }

    /// Records the newest entry, after it is on disk. A failure only means that fewer changes are found later.
    pub(super) fn save_head(&mut self) {
        self.saved_at = Some(Instant::now());
        let saved = self.file.sync_data().map_err(anyhow::Error::from).and_then(|()| {
            Ok(ssod_private_files::write(&Paths::chain_head(&self.path), &serde_json::to_vec(&self.head)?)?)
        });
        if let Err(error) = saved {
            tracing::warn!("the newest entry of the audit log cannot be recorded: {error:#}");
        }
    }
}

/// What is known about the newest entry before the file is read.
enum KnownHead {
    /// It is recorded, but the daemon may have written more before it was killed.
    AtLeast(Option<ChainHead>),
    /// This daemon wrote it.
    Exactly(ChainHead),
}

/// The entry after which the chain continues.
struct Continued {
    head: ChainHead,
    /// Whether the file does not end with this entry, because another program changed it.
    is_gap: bool,
}

impl KnownHead {
    fn continued(self, end: &LogEnd) -> Continued {
        let (known, is_there) = match self {
            Self::AtLeast(None) => {
                let head = end.newest.clone().unwrap_or_else(ChainHead::genesis);
                return Continued {
                    head: ChainHead { first: end.first.unwrap_or(1), ..head },
                    is_gap: false,
                };
            }
            Self::AtLeast(Some(known)) => (known.clone(), end.contains(&known)),
            Self::Exactly(known) => {
                let is_newest = end.newest.as_ref().is_some_and(|newest| newest.chain == known.chain);
                (known, is_newest)
            }
        };
        match &end.newest {
            Some(newest) if is_there => {
                Continued { head: ChainHead { first: known.first, ..newest.clone() }, is_gap: false }
            }
            // The numbers continue after both, so that the gap stays visible.
            Some(newest) => {
                Continued { head: ChainHead { seq: known.seq.max(newest.seq), ..known }, is_gap: true }
            }
            None => Continued { is_gap: known.seq > 0, head: known },
        }
    }
}

/// Lines that are written together.
#[derive(Default)]
struct Batch {
    text: String,
    lines: usize,
    /// The number and the chain of the last line.
    head: Option<(u64, String)>,
    is_last_of_file: bool,
}

/// One line with its newline.
struct Line {
    text: String,
    seq: u64,
    chain: String,
}

impl Batch {
    fn add(&mut self, line: Line) {
        self.text.push_str(&line.text);
        self.lines += 1;
        self.head = Some((line.seq, line.chain));
    }
}

#[cfg(test)]
mod tests;
