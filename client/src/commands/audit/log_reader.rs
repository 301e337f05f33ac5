//! Reads a log to which the daemon may append at the same time.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ssod_control::{AuditEntry, Paths};
use ssod_private_files::{FileError, ReadPolicy, open_to_read};

use crate::error::{CommandError, CommandResult};

/// An incomplete line that is longer than this is discarded. The daemon's lines have a few hundred bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// The log is read line by line, so its size needs no limit.
const LOG_POLICY: ReadPolicy = ReadPolicy::user_file().max_bytes(u64::MAX);

/// A line of the log, as text and parsed.
pub(super) struct LogLine {
    pub(super) text: String,
    pub(super) entry: AuditEntry,
}

/// Reads one log, also after the daemon has rotated it.
pub(super) struct LogReader {
    path: PathBuf,
    /// `None` if the daemon has not written the log yet.
    file: Option<FileReader>,
}

impl LogReader {
    /// Passes on all lines so far, and returns a reader for later ones.
    pub(super) fn read_all(path: &Path, take: &mut impl FnMut(LogLine)) -> CommandResult<Self> {
        if let Some(mut older) = FileReader::open(&Paths::before(path))? {
            older.read(take)?;
        }
        let mut reader = Self { path: path.to_owned(), file: None };
        reader.read_new(take)?;
        Ok(reader)
    }

    /// Passes on the complete lines since the last call.
    pub(super) fn read_new(&mut self, take: &mut impl FnMut(LogLine)) -> CommandResult<()> {
        if let Some(file) = &mut self.file {
            file.read(take)?;
        }
        if self.file.as_ref().is_none_or(|file| !file.is_at(&self.path)) {
            self.file = FileReader::open(&self.path)?;
            if let Some(file) = &mut self.file {
                file.read(take)?;
            }
        }
        Ok(())
    }
}

struct FileReader {
    file: BufReader<File>,
    inode: u64,
    incomplete: Vec<u8>,
}

impl FileReader {
    fn open(path: &Path) -> CommandResult<Option<Self>> {
        match open_to_read(path, &LOG_POLICY) {
            Ok(file) => {
                let inode = file.metadata()?.ino();
                Ok(Some(Self { file: BufReader::new(file), inode, incomplete: Vec::new() }))
            }
            Err(FileError::NotFound) => Ok(None),
            Err(error) => Err(CommandError::new(format!("Cannot read {}: {error}.", path.display()))),
        }
    }

    fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.ino() == self.inode)
    }

    /// Reads every complete line since the last call. Lines that are not audit entries are skipped.
    fn read(&mut self, take: &mut impl FnMut(LogLine)) -> CommandResult<()> {
        loop {
            if self.file.read_until(b'\n', &mut self.incomplete)? == 0 || !self.incomplete.ends_with(b"\n") {
                if self.incomplete.len() > MAX_LINE_BYTES {
                    self.incomplete.clear();
                }
                return Ok(());
            }
            let line = std::mem::take(&mut self.incomplete);
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Ok(entry) = serde_json::from_str(&text) {
                take(LogLine { text, entry });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ssod_control::AuditOutcome;

    use super::*;

    #[test]
    fn a_growing_log_is_read_by_complete_lines() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut lines = FileReader::open(file.path()).unwrap().unwrap();
        let read = |lines: &mut FileReader| {
            let mut seen = Vec::new();
            lines.read(&mut |line| seen.push(line.entry.outcome)).unwrap();
            seen
        };
        write!(file, "{{\"outcome\":\"served\"}}\nnot ours\n{{\"outcome\":").unwrap();
        assert_eq!(read(&mut lines), [AuditOutcome::Served]);
        writeln!(file, "\"refused\"}}").unwrap();
        assert_eq!(read(&mut lines), [AuditOutcome::Refused]);
        assert!(read(&mut lines).is_empty());
    }
}
