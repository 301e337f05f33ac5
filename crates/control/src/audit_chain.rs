//! The chain of an audit log: each line has a number, and a hash over itself and the chain of the line before. So a
//! line that was changed, removed or inserted is found, unless the rest of the log was rewritten, too; then only the newest
//! chain, which the daemon keeps in memory, shows it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit::AuditEntry;

/// Stands before the chain of a line, which is the line's last field.
const CHAIN_FIELD: &str = ",\"chain\":\"";
/// The length of a hash in hexadecimal digits.
const HASH_LEN: usize = 64;
/// The length of the chain's field with its quotes, and the end of the line.
const FIELD_LEN: usize = CHAIN_FIELD.len() + HASH_LEN + 2;
/// The most faults that a report lists.
const MAX_FAULTS: usize = 100;

/// The newest entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// The number of the oldest entry that is not rotated away.
    pub first: u64,
    /// The number of the newest entry.
    pub seq: u64,
    /// The chain of the newest entry.
    pub chain: String,
}

impl ChainHead {
    /// Returns the head of a log without entries.
    pub fn genesis() -> Self {
        Self { first: 1, seq: 0, chain: "0".repeat(HASH_LEN) }
    }
}

/// `POST /v1/audit/write`: the newest entries of the two logs, as the daemon has them in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditWritten {
    /// The newest entry of [`Paths::audit`](crate::Paths::audit); `None` if there is none, or if the daemon is older.
    pub head: Option<ChainHead>,
    /// The newest entry of [`Paths::audit_refusals`](crate::Paths::audit_refusals).
    pub refusals_head: Option<ChainHead>,
}

/// Returns the line for the entry, without a newline, and its chain. The entry already has its number.
pub fn chain_line(entry: &AuditEntry, previous: &str) -> Option<(String, String)> {
    // This cannot fail: the entry has only strings and numbers.
    let mut line = serde_json::to_string(&AuditEntry { chain: None, ..entry.clone() }).ok()?;
    let chain = hash(previous, &line);
    line.pop();
    line.push_str(CHAIN_FIELD);
    line.push_str(&chain);
    line.push_str("\"}");
    Some((line, chain))
}

/// Returns the hash of bytes that are no line, for the next line's `torn`.
pub fn hash_of_lost_line(bytes: &[u8]) -> String {
    hash_of_lines(bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n'))
}

fn hash_of_lines<'a>(lines: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for line in lines {
        hasher.update(line);
        hasher.update(b"\n");
    }
    hex(hasher)
}

fn hash(previous: &str, content: &str) -> String {
    hex(Sha256::new().chain_update(previous).chain_update("\n").chain_update(content))
}

fn hex(hasher: Sha256) -> String {
    base16ct::lower::encode_string(&hasher.finalize())
}

/// A line with its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainedLine {
    /// The entry.
    pub entry: AuditEntry,
    /// The chain that the line states.
    pub chain: String,
    /// The line without its chain.
    content: String,
}

impl ChainedLine {
    /// Parses a line without its newline; `None` if it has no chain.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let (content, field) = text.split_at_checked(text.len().checked_sub(FIELD_LEN)?)?;
        let chain = field.strip_prefix(CHAIN_FIELD)?.strip_suffix("\"}")?;
        let is_hash = chain.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let entry: AuditEntry = serde_json::from_str(text).ok()?;
        let is_chained = is_hash && entry.seq > 0;
        is_chained.then(|| Self { entry, chain: chain.to_owned(), content: format!("{content}}}") })
    }

    /// Returns whether the line's chain is the one that follows from the line before.
    pub fn follows(&self, previous: &str) -> bool {
        hash(self.entry.prev.as_deref().unwrap_or(previous), &self.content) == self.chain
    }
}

/// A line of a log, and where it is.
#[derive(Clone, Copy, Debug)]
pub struct LineText<'a> {
    /// The index of the file, the older one first.
    pub file: usize,
    /// The number of the line in its file, from 1.
    pub line: u64,
    /// The line without its newline.
    pub text: &'a [u8],
    /// Whether it ends with a newline. Only the last line of a file may end without one.
    pub is_complete: bool,
}

/// Something that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFault {
    /// The index of the file.
    pub file: usize,
    /// The number of the line.
    pub line: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The line, or the one before it, was changed.
    Changed,
    /// This many lines before it were removed.
    MissingBefore(u64),
    /// This many newest lines, after it, were removed.
    MissingAfter(u64),
    /// The line was inserted, or copied from another place.
    Inserted,
    /// It is not a line that the daemon wrote.
    NotAnEntry,
    /// The daemon knows another entry with that number, so the log was written again from there or from before.
    Rewritten,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// The number of lines with a chain.
    pub lines: u64,
    /// The number of lines of an earlier version, which have no chain.
    pub unchained: u64,
    /// The number of lines that are incomplete, because the daemon was ended while it wrote them.
    pub torn: u64,
    /// The faults, at most a hundred.
    pub faults: Vec<ChainFault>,
}

/// Checks a log, line by line.
#[derive(Debug)]
pub struct ChainVerifier {
    head: Option<ChainHead>,
    last: Option<ChainHead>,
    /// The lines without a chain since the last line with one.
    strangers: Vec<Stranger>,
    /// Where the last line was.
    at: (usize, u64),
    report: ChainReport,
}

/// A line without a chain.
#[derive(Debug)]
struct Stranger {
    file: usize,
    line: u64,
    text: Vec<u8>,
    is_complete: bool,
}

impl ChainVerifier {
    /// Returns a verifier. The head is the newest entry that is known from elsewhere.
    pub fn new(head: Option<ChainHead>) -> Self {
        Self { head, last: None, strangers: Vec::new(), at: (0, 0), report: ChainReport::default() }
    }

    /// Checks the next line.
    pub fn check(&mut self, line: LineText<'_>) {
        let LineText { file, line: number, text, is_complete } = line;
        self.at = (file, number);
        let Some(chained) = ChainedLine::parse(text) else {
            self.strangers.push(Stranger { file, line: number, text: text.to_owned(), is_complete });
            return;
        };
        self.report.lines += 1;
        self.check_strangers(&chained.entry);
        let seq = chained.entry.seq;
        if let Some(last) = &self.last
            && seq <= last.seq
        {
            self.fault(FaultKind::Inserted);
            return;
        }
        if let Some(kind) = self.fault_of(&chained) {
            self.fault(kind);
        }
        let known = self.head.as_ref().filter(|head| head.seq == seq);
        if known.is_some_and(|head| head.chain != chained.chain) {
            self.fault(FaultKind::Rewritten);
        }
        let first = self.last.as_ref().map_or(seq, |last| last.first);
        self.last = Some(ChainHead { first, seq, chain: chained.chain });
    }

    /// Ends the check.
    pub fn finish(mut self) -> ChainReport {
        if let [only] = self.strangers.as_slice()
            && !only.is_complete
        {
            self.report.torn += 1;
            self.strangers.clear();
        }
        if self.last.is_none() && self.head.is_none() {
            self.report.unchained = self.strangers.len() as u64;
            self.strangers.clear();
        }
        self.blame_strangers();
        let newest = self.last.as_ref().map_or(0, |last| last.seq);
        let missing = self.head.as_ref().map_or(0, |head| head.seq.saturating_sub(newest));
        if missing > 0 {
            self.fault(FaultKind::MissingAfter(missing));
        }
        self.report
    }

    /// Returns what is wrong with a line whose number is higher than that of the line before.
    fn fault_of(&self, chained: &ChainedLine) -> Option<FaultKind> {
        let seq = chained.entry.seq;
        let Some(last) = &self.last else { return self.fault_of_first(chained) };
        let is_next = last.seq.checked_add(1) == Some(seq);
        let names_last = chained.entry.prev.as_ref().is_none_or(|prev| *prev == last.chain);
        match (is_next, names_last && chained.follows(&last.chain)) {
            (true, true) => None,
            (true, false) => Some(FaultKind::Changed),
            (false, _) => Some(FaultKind::MissingBefore(seq - last.seq - 1)),
        }
    }

    /// The first line that is left names the chain of the line before it, which is rotated away.
    fn fault_of_first(&self, chained: &ChainedLine) -> Option<FaultKind> {
        let (seq, genesis) = (chained.entry.seq, ChainHead::genesis());
        let oldest = self.head.as_ref().map_or(seq, |head| head.first);
        if seq > oldest {
            return Some(FaultKind::MissingBefore(seq - oldest));
        }
        if chained.entry.prev.is_none() && seq > 1 {
            return Some(FaultKind::MissingBefore(seq - 1));
        }
        (!chained.follows(&genesis.chain)).then_some(FaultKind::Changed)
    }

    /// Decides about the lines without a chain before an entry.
    fn check_strangers(&mut self, entry: &AuditEntry) {
        if self.strangers.is_empty() {
            if entry.torn.is_some() {
                self.fault(FaultKind::MissingBefore(1));
            }
            return;
        }
        let lost = hash_of_lines(self.strangers.iter().map(|stranger| stranger.text.as_slice()));
        // A line that was cut off is no JSON. A whole one was appended by another program before the daemon started.
        let is_cut_off = |stranger: &Stranger| serde_json::from_slice::<AuditEntry>(&stranger.text).is_err();
        if entry.torn.as_ref() == Some(&lost) && self.strangers.iter().all(is_cut_off) {
            self.report.torn += 1;
            self.strangers.clear();
        } else if self.last.is_none() && entry.seq == 1 {
            self.report.unchained += self.strangers.len() as u64;
            self.strangers.clear();
        }
        self.blame_strangers();
    }

    fn blame_strangers(&mut self) {
        for stranger in std::mem::take(&mut self.strangers) {
            self.fault_at(stranger.file, stranger.line, FaultKind::NotAnEntry);
        }
    }

    fn fault(&mut self, kind: FaultKind) {
        self.fault_at(self.at.0, self.at.1, kind);
    }

    fn fault_at(&mut self, file: usize, line: u64, kind: FaultKind) {
        if self.report.faults.len() < MAX_FAULTS {
            self.report.faults.push(ChainFault { file, line, kind });
        }
    }
}

#[cfg(test)]
mod tests;
