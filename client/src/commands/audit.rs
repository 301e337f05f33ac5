//! `ssod audit`. The client reads the log file itself, so the command also works without a daemon.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use console::{Alignment, Term, pad_str};
use ssod_control::{AuditEntry, AuditOutcome, Done, Paths};
use ssod_model::{Timestamp, did_you_mean, similar_names};
use ssod_private_files::{FileError, ReadPolicy, open_to_read};

use crate::context::CommandContext;
use crate::daemon_process;
use crate::error::{CommandError, CommandResult};
use crate::terminal::{self, Style};

/// Show which programs requested credentials, and whether they got them.
///
/// Identical requests are combined into one line with a count: those that were served within a second, and those that
/// were refused within a minute. A program is "gone" if it ended before ssod could identify it, or if the line counts
/// requests of several processes; if its systemd unit or scope is known, it follows in parentheses. The log keeps at
/// most two files of 4 MiB.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod audit --follow                                    show requests as they arrive\n  ssod audit --refused -n 10                             show the last 10 refused requests\n  ssod audit --profile adminUser --json | jq .program    list the programs that used adminUser"
)]
pub(crate) struct AuditArgs {
    /// Show only requests for this profile.
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Show only refused requests.
    #[arg(long)]
    refused: bool,
    /// Show only the last COUNT lines.
    #[arg(long, short = 'n', value_name = "COUNT", default_value = "50", value_parser = parse_count)]
    last: usize,
    /// Show new lines as they are written, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// Print the lines of the log unchanged, one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// The daemon writes new lines every half second.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// An incomplete line that is longer than this is discarded. The daemon's lines have a few hundred bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// The log is read line by line, so its size needs no limit.
const LOG_POLICY: ReadPolicy = ReadPolicy::user_file().max_bytes(u64::MAX);

fn parse_count(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "give a whole number")
}

pub(crate) fn run(context: &CommandContext, args: &AuditArgs) -> CommandResult<()> {
    let path = context.paths.audit();
    // A running daemon first writes the lines that it still has in memory.
    if let Some(client) = daemon_process::find_running(&context.paths)? {
        let _ = client.post::<Done>("/v1/audit/write", &Done {});
    }
    let mut last = VecDeque::new();
    let mut is_empty = true;
    let mut profiles = BTreeSet::new();
    let mut keep = |line: LogLine| {
        is_empty = false;
        profiles.extend(line.entry.profile.clone());
        if args.matches(&line.entry) {
            last.push_back(line);
        }
        if last.len() > args.last {
            last.pop_front();
        }
    };
    if let Some(mut older) = LogReader::open(&Paths::before(&path))? {
        older.read(&mut keep)?;
    }
    // The reader remembers its position, so `follow` continues where this ends.
    let mut reader = LogReader::open(&path)?;
    if let Some(lines) = &mut reader {
        lines.read(&mut keep)?;
    }
    if last.is_empty() && args.last > 0 && !args.follow && !args.json {
        terminal::eprintln(&if is_empty {
            "No program has asked for credentials yet.".to_owned()
        } else {
            no_match(args.profile.as_deref(), &profiles)
        });
    }
    // The daemon writes a line with a count later than the requests that it counts, so the lines are sorted by time.
    last.make_contiguous().sort_by_key(|line| line.entry.at.parse::<Timestamp>().ok());
    show(args, &last, true)?;
    if args.follow { follow(args, &path, reader) } else { Ok(()) }
}

/// Returns the text if no line matches, with the profiles in the log that the user may have meant.
fn no_match(profile: Option<&str>, logged: &BTreeSet<String>) -> String {
    let misspelled = profile.filter(|profile| !logged.contains(*profile));
    let similar =
        misspelled.map(|name| similar_names(name, logged.iter().map(String::as_str))).unwrap_or_default();
    let question = did_you_mean(&similar).map(|question| format!(" {question}")).unwrap_or_default();
    format!("No line matches.{question}")
}

/// Shows new lines, also after the daemon has rotated the log.
fn follow(args: &AuditArgs, path: &Path, mut reader: Option<LogReader>) -> CommandResult<()> {
    loop {
        std::thread::sleep(POLL_INTERVAL);
        let mut new = VecDeque::new();
        let mut keep = |line: LogLine| {
            if args.matches(&line.entry) {
                new.push_back(line);
            }
        };
        if let Some(lines) = &mut reader {
            lines.read(&mut keep)?;
        }
        if reader.as_ref().is_none_or(|lines| !lines.is_at(path)) {
            reader = LogReader::open(path)?;
            if let Some(lines) = &mut reader {
                lines.read(&mut keep)?;
            }
        }
        show(args, &new, false)?;
    }
}

impl AuditArgs {
    fn matches(&self, entry: &AuditEntry) -> bool {
        let profile = self.profile.as_ref();
        profile.is_none_or(|profile| entry.profile.as_ref() == Some(profile))
            && (!self.refused || entry.outcome == AuditOutcome::Refused)
    }
}

/// A line of the log, as text and parsed.
struct LogLine {
    text: String,
    entry: AuditEntry,
}

/// Reads a log to which the daemon may append at the same time.
struct LogReader {
    file: BufReader<File>,
    inode: u64,
    incomplete: Vec<u8>,
}

impl LogReader {
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

fn show(args: &AuditArgs, lines: &VecDeque<LogLine>, with_header: bool) -> CommandResult<()> {
    if args.json {
        let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        return Ok(terminal::print_json_lines(&text)?);
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

/// The widths are fixed, so that later rows align with earlier ones. A longer cell shifts the rest of its row.
const WIDTHS: [usize; 7] = [20, 7, 16, 14, 7, 5, 18];

/// Returns how many columns fit on the terminal.
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

/// Returns the cells of a row, and a remark for the line below it.
fn row(entry: &AuditEntry) -> ([String; 7], Option<String>) {
    let outcome = match entry.outcome {
        AuditOutcome::Served => terminal::stdout_style(Style::Green, "served"),
        AuditOutcome::Refused => terminal::stdout_style(Style::Yellow, "refused"),
        AuditOutcome::Unknown => terminal::stdout_style(Style::Yellow, "unknown"),
    };
    let repeated = match entry.repeated {
        0 => None,
        1 => Some("once more:".to_owned()),
        times => Some(format!("{times} more times:")),
    };
    let lost = (entry.lost > 0).then(|| format!("({} entries before this one were lost)", entry.lost));
    let reason = entry.reason.as_deref().map(terminal::one_line);
    let remark = [repeated, reason, lost].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let remark = Some(remark.trim_end_matches(':').to_owned()).filter(|remark| !remark.is_empty());
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let at = entry.at.parse::<Timestamp>();
    let cells = [
        at.map_or_else(|_| terminal::one_line(&entry.at), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
        outcome,
        entry.profile.as_deref().map_or_else(|| "-".to_owned(), terminal::one_line),
        program(entry),
        number(entry.pid),
        number(entry.uid),
        entry.via.as_str().to_owned(),
    ];
    (cells, remark)
}

/// Returns the program, or where a program that has ended came from.
fn program(entry: &AuditEntry) -> String {
    let unit =
        entry.cgroup.as_deref().and_then(|path| path.rsplit('/').next()).filter(|unit| !unit.is_empty());
    match (&entry.program, unit) {
        (Some(program), _) => terminal::one_line(program),
        (None, Some(unit)) => format!("gone ({})", terminal::one_line(unit)),
        (None, None) => "gone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_growing_log_is_read_by_complete_lines() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut lines = LogReader::open(file.path()).unwrap().unwrap();
        let read = |lines: &mut LogReader| {
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

    #[test]
    fn a_name_cannot_control_the_terminal() {
        let entry = AuditEntry { program: Some("x\u{1b}[2Jy\n".into()), ..AuditEntry::default() };
        assert_eq!(row(&entry).0[3], "x?[2Jy?");
        assert_eq!(row(&AuditEntry::default()).0[3], "gone");
        let ended =
            AuditEntry { cgroup: Some("/user.slice/tmux.sc\u{1b}ope".into()), ..AuditEntry::default() };
        assert_eq!(row(&ended).0[3], "gone (tmux.sc?ope)");
        let again = AuditEntry { repeated: 1, reason: Some("no".into()), ..AuditEntry::default() };
        assert_eq!(row(&again).1.as_deref(), Some("once more: no"));
    }
}
