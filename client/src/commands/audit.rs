//! `ssod audit`: who got which credentials. It reads the file itself, so it works without a daemon, too.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use console::{Alignment, Term, pad_str};
use ssod_control::{AuditEntry, Done, Paths};
use ssod_model::Timestamp;
use ssod_private_files::{FileError, ReadPolicy, open_to_read};

use super::Context;
use crate::cli::Audit;
use crate::failure::{Failure, Outcome};
use crate::{daemon, terminal};

/// The daemon writes in batches of half a second.
const POLL: Duration = Duration::from_millis(250);
/// A line is a few hundred bytes; a longer one is not ours.
const LINE_CAP: usize = 64 * 1024;
/// The log is read line by line, so its size is no limit.
const LOG_POLICY: ReadPolicy = ReadPolicy::user_file().max_bytes(u64::MAX);

pub(crate) fn run(context: &Context, command: &Audit) -> Outcome<()> {
    let path = context.paths.audit();
    // A daemon that runs writes what it still holds; without one, the file is all there is.
    if let Some(client) = daemon::running(&context.paths) {
        let _ = client.post::<Done>("/v1/audit/write", &Done {});
    }
    let mut last = VecDeque::new();
    let mut any = false;
    let mut keep = |line: Line| {
        any = true;
        if command.wants(&line.entry) {
            last.push_back(line);
        }
        if last.len() > command.last {
            last.pop_front();
        }
    };
    if let Some(mut before) = Lines::open(&Paths::before(&path))? {
        before.read(&mut keep)?;
    }
    // What is read is remembered by place, so that following goes on where this ends.
    let mut now = Lines::open(&path)?;
    if let Some(lines) = &mut now {
        lines.read(&mut keep)?;
    }
    if last.is_empty() && command.last > 0 && !command.follow && !command.json {
        terminal::warn(if any {
            "No line is of that kind."
        } else {
            "Nobody has asked for credentials yet."
        });
    }
    // What is counted is told after it happened.
    last.make_contiguous().sort_by_key(|line| line.entry.at.parse::<Timestamp>().ok());
    show(command, &last, true)?;
    if command.follow { follow(command, &path, now) } else { Ok(()) }
}

/// Shows what comes, also in the file that takes this one's place.
fn follow(command: &Audit, path: &Path, mut now: Option<Lines>) -> Outcome<()> {
    loop {
        std::thread::sleep(POLL);
        let mut new = VecDeque::new();
        let mut keep = |line: Line| {
            if command.wants(&line.entry) {
                new.push_back(line);
            }
        };
        if let Some(lines) = &mut now {
            lines.read(&mut keep)?;
        }
        if now.as_ref().is_none_or(|lines| !lines.is_at(path)) {
            now = Lines::open(path)?;
            if let Some(lines) = &mut now {
                lines.read(&mut keep)?;
            }
        }
        show(command, &new, false)?;
    }
}

impl Audit {
    fn wants(&self, entry: &AuditEntry) -> bool {
        let profile = self.profile.as_ref();
        profile.is_none_or(|profile| entry.profile.as_ref() == Some(profile))
            && (!self.refused || entry.outcome == "refused")
    }
}

/// One line, as it stands and as it is read.
struct Line {
    text: String,
    entry: AuditEntry,
}

/// A file that may grow while it is read.
struct Lines {
    file: BufReader<File>,
    inode: u64,
    cut: Vec<u8>,
}

impl Lines {
    fn open(path: &Path) -> Outcome<Option<Self>> {
        match open_to_read(path, &LOG_POLICY) {
            Ok(file) => {
                let inode = file.metadata()?.ino();
                Ok(Some(Self { file: BufReader::new(file), inode, cut: Vec::new() }))
            }
            Err(FileError::NotFound) => Ok(None),
            Err(error) => Err(Failure::new(format!("Cannot read {}: {error}.", path.display()))),
        }
    }

    fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|facts| facts.ino() == self.inode)
    }

    /// Every whole line since the last time; what does not read as a line of ours is passed over.
    fn read(&mut self, take: &mut impl FnMut(Line)) -> Outcome<()> {
        loop {
            if self.file.read_until(b'\n', &mut self.cut)? == 0 || !self.cut.ends_with(b"\n") {
                if self.cut.len() > LINE_CAP {
                    self.cut.clear();
                }
                return Ok(());
            }
            let line = std::mem::take(&mut self.cut);
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Ok(entry) = serde_json::from_str(&text) {
                take(Line { text, entry });
            }
        }
    }
}

fn show(command: &Audit, lines: &VecDeque<Line>, with_header: bool) -> Outcome<()> {
    if command.json {
        let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        return Ok(terminal::print(&text)?);
    }
    let columns = columns();
    let header = with_header
        .then(|| ["TIME", "OUTCOME", "PROFILE", "PROGRAM", "PID", "UID", "VIA"].map(str::to_owned));
    let header = header.filter(|_| !lines.is_empty()).map(|header| (header, None));
    let rows = lines.iter().map(|line| row(&line.entry));
    let text: String =
        header.into_iter().chain(rows).map(|(cells, remark)| render(&cells, remark, columns)).collect();
    Ok(terminal::print(&text)?)
}

/// The same widths for every row, also for those that come later; what does not fit pushes the rest of its row.
const WIDTHS: [usize; 7] = [20, 7, 16, 14, 7, 5, 18];

/// As many columns as the terminal is wide.
fn columns() -> usize {
    let terminal = Term::stdout();
    let width = if terminal.is_term() { usize::from(terminal.size().1) } else { usize::MAX };
    let fits = |count: &usize| {
        WIDTHS.iter().take(*count).map(|width| width + 2).sum::<usize>() <= width.saturating_add(2)
    };
    (4..=WIDTHS.len()).rev().find(fits).unwrap_or(4)
}

fn render(cells: &[String; 7], remark: Option<String>, columns: usize) -> String {
    let cells = cells.iter().zip(WIDTHS).take(columns);
    let cells = cells.map(|(cell, width)| pad_str(cell, width, Alignment::Left, None).into_owned());
    let line = cells.collect::<Vec<_>>().join("  ");
    let remark = remark.map(|remark| format!("    {remark}\n")).unwrap_or_default();
    format!("{}\n{remark}", line.trim_end())
}

/// The cells, and what there is to say besides.
fn row(entry: &AuditEntry) -> ([String; 7], Option<String>) {
    let outcome = match entry.outcome.as_str() {
        "served" => terminal::green("served"),
        other => terminal::yellow(&clean(other)),
    };
    let again = match entry.repeated {
        0 => None,
        1 => Some("once more:".to_owned()),
        times => Some(format!("{times} more times:")),
    };
    let lost = (entry.lost > 0).then(|| format!("({} notes before this were lost)", entry.lost));
    let reason = entry.reason.as_deref().map(clean);
    let remark = [again, reason, lost].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let remark = Some(remark.trim_end_matches(':').to_owned()).filter(|remark| !remark.is_empty());
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let at = entry.at.parse::<Timestamp>();
    let cells = [
        at.map_or_else(|_| clean(&entry.at), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
        outcome,
        entry.profile.as_deref().map_or_else(|| "-".to_owned(), clean),
        entry.program.as_deref().map_or_else(|| "gone".to_owned(), clean),
        number(entry.pid),
        number(entry.uid),
        clean(&entry.via),
    ];
    (cells, remark)
}

/// Nothing in a program's or a profile's name reaches the terminal as a command to it.
fn clean(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_growing_file_is_read_by_whole_lines() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut lines = Lines::open(file.path()).unwrap().unwrap();
        let read = |lines: &mut Lines| {
            let mut seen = Vec::new();
            lines.read(&mut |line| seen.push(line.entry.outcome)).unwrap();
            seen
        };
        write!(file, "{{\"outcome\":\"served\"}}\nnot ours\n{{\"outcome\":").unwrap();
        assert_eq!(read(&mut lines), ["served"]);
        writeln!(file, "\"refused\"}}").unwrap();
        assert_eq!(read(&mut lines), ["refused"]);
        assert!(read(&mut lines).is_empty());
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        let entry = AuditEntry { program: Some("x\u{1b}[2Jy\n".into()), ..AuditEntry::default() };
        assert_eq!(row(&entry).0[3], "x?[2Jy?");
        assert_eq!(row(&AuditEntry::default()).0[3], "gone");
        let again = AuditEntry { repeated: 1, reason: Some("no".into()), ..AuditEntry::default() };
        assert_eq!(row(&again).1.as_deref(), Some("once more: no"));
    }
}
