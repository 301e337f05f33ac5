//! Finds out where a log's file ends: its newest line, and what is left of a line that a crash cut off.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use ssod_control::{ChainHead, ChainedLine, hash_of_lost_line};

/// How many bytes at the end are read. A line has a few hundred bytes.
const END_BYTES: u64 = 256 * 1024;
/// How many bytes at the start are read, for the number of the first entry.
const START_BYTES: u64 = 64 * 1024;

/// The end of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct LogEnd {
    /// The number of the file's first entry.
    pub(super) first: Option<u64>,
    /// The newest entry.
    pub(super) newest: Option<ChainHead>,
    /// The hash of what follows the newest entry, if anything does.
    pub(super) torn: Option<String>,
    /// Whether the file ends without a newline.
    pub(super) needs_newline: bool,
    /// The entries at the end.
    recent: Vec<ChainHead>,
}

impl LogEnd {
    pub(super) fn read(file: &mut File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let start = size.saturating_sub(END_BYTES);
        let text = read_at(file, start, END_BYTES)?;
        // The first line may be cut off.
        let cut =
            if start == 0 { 0 } else { text.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
        let mut end = Self::parse(text.get(cut..).unwrap_or_default());
        end.first = if start == 0 {
            end.recent.first().map(|first| first.seq)
        } else {
            Self::parse(&read_at(file, 0, START_BYTES)?).recent.first().map(|first| first.seq)
        };
        Ok(end)
    }

    /// Returns whether the entry is there, or is older than the entries that were read.
    pub(super) fn contains(&self, head: &ChainHead) -> bool {
        match self.recent.iter().find(|entry| entry.seq >= head.seq) {
            Some(entry) if entry.seq == head.seq => entry.chain == head.chain,
            // It may be older than what was read; a verification checks it.
            Some(entry) => self.recent.first() == Some(entry),
            None => false,
        }
    }

    fn parse(text: &[u8]) -> Self {
        let mut end = Self { needs_newline: !text.is_empty() && !text.ends_with(b"\n"), ..Self::default() };
        let mut rest = text;
        let mut lost = text;
        while !rest.is_empty() {
            let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(length);
            rest = after;
            if let Some(line) = ChainedLine::parse(line.strip_suffix(b"\n").unwrap_or(line)) {
                let seq = line.entry.seq;
                end.recent.push(ChainHead { first: seq, seq, chain: line.chain });
                lost = rest;
            }
        }
        end.newest = end.recent.last().cloned();
        end.torn = (!lost.is_empty()).then(|| hash_of_lost_line(lost));
        end
    }
}

fn read_at(file: &mut File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text)?;
    Ok(text)
}
