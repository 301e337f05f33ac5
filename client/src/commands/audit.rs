//! `ssod audit`. The client reads the log files itself, so the command also works without a daemon.

mod log_reader;
mod table;
mod verify;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use clap::Args;
use ssod_control::{AuditEntry, AuditOutcome, AuditWritten, Done};
use ssod_model::{Timestamp, did_you_mean, similar_names};

use self::log_reader::{LogLine, LogReader};
use crate::context::CommandContext;
use crate::daemon_process;
use crate::error::CommandResult;
use crate::terminal;

/// Show which programs got credentials, which were refused, and what was changed.
///
/// The lines are those of two logs, sorted by time: one has what programs got and what they changed (login, logout,
/// env, use, lock, unlock, rekey, move), and one has the refusals, so that refusals cannot replace other lines. Identical
/// requests are combined into one line with a count: those that were served within a second, and refusals of the same
/// kind within a minute. A program is "gone" if it ended before ssod could identify it, or if the line counts requests
/// of several processes; if its systemd unit or scope is known, it follows in parentheses. Each log keeps two files, of
/// at most 4 MiB, and of 2 MiB for refusals.
///
/// Each line is chained to the line before by a hash. --verify finds lines that were changed, removed or inserted, and
/// ends with status 1 if there are any. A program that runs as you can write a whole log again; that is found only
/// while the daemon runs that wrote it, or if the program did not change the recorded newest entry, too.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = "Examples:\n  ssod audit --follow                                    show requests as they arrive\n  ssod audit --refused -n 10                             show the last 10 refused requests\n  ssod audit --profile adminUser --json | jq .program    list the programs that used adminUser\n  ssod audit --verify                                    check that no line was changed"
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
    /// Print the lines of the logs unchanged, one JSON object per line.
    #[arg(long)]
    json: bool,
    /// Check the chain of both logs instead of showing them.
    #[arg(long, conflicts_with_all = ["profile", "refused", "last", "follow", "json"])]
    verify: bool,
}

/// The daemon writes new lines every half second.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

fn parse_count(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "give a whole number")
}

pub(crate) fn run(context: &CommandContext, args: &AuditArgs) -> CommandResult<()> {
    if args.verify {
        return verify::run(context, || flush(context));
    }
    flush(context);
    let mut last = Vec::new();
    let mut readers = Vec::new();
    let mut is_empty = true;
    let mut profiles = BTreeSet::new();
    for path in [context.paths.audit(), context.paths.audit_refusals()] {
        let mut last_of_log = VecDeque::new();
        // The reader remembers its position, so `follow` continues where this ends.
        readers.push(LogReader::read_all(&path, &mut |line| {
            is_empty = false;
            profiles.extend(line.entry.profile.clone());
            if args.matches(&line.entry) {
                last_of_log.push_back(line);
            }
            if last_of_log.len() > args.last {
                last_of_log.pop_front();
            }
        })?);
        last.extend(last_of_log);
    }
    if last.is_empty() && args.last > 0 && !args.follow && !args.json {
        terminal::eprintln(&if is_empty {
            "No program has asked for credentials yet.".to_owned()
        } else {
            no_match(args.profile.as_deref(), &profiles)
        });
    }
    sort(&mut last);
    last.drain(..last.len().saturating_sub(args.last));
    show(args, &last, true)?;
    if args.follow { follow(args, &mut readers) } else { Ok(()) }
}

/// Makes a running daemon write the lines that it still has in memory, and returns its newest entries.
fn flush(context: &CommandContext) -> Option<AuditWritten> {
    daemon_process::find_running(&context.paths).ok()??.post("/v1/audit/write", &Done {}).ok()
}

/// The daemon writes a line with a count later than the requests that it counts, and there are two logs.
fn sort(lines: &mut [LogLine]) {
    lines.sort_by_key(|line| line.entry.at.parse::<Timestamp>().ok());
}

/// Returns the text if no line matches, with the profiles in the log that the user may have meant.
fn no_match(profile: Option<&str>, logged: &BTreeSet<String>) -> String {
    let misspelled = profile.filter(|profile| !logged.contains(*profile));
    let similar =
        misspelled.map(|name| similar_names(name, logged.iter().map(String::as_str))).unwrap_or_default();
    let question = did_you_mean(&similar).map(|question| format!(" {question}")).unwrap_or_default();
    format!("No line matches.{question}")
}

/// Shows new lines, also after the daemon has rotated a log.
fn follow(args: &AuditArgs, readers: &mut [LogReader]) -> CommandResult<()> {
    loop {
        std::thread::sleep(POLL_INTERVAL);
        let mut new = Vec::new();
        for reader in &mut *readers {
            reader.read_new(&mut |line| {
                if args.matches(&line.entry) {
                    new.push(line);
                }
            })?;
        }
        sort(&mut new);
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

fn show(args: &AuditArgs, lines: &[LogLine], with_header: bool) -> CommandResult<()> {
    if args.json {
        let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        return Ok(terminal::print_json_lines(&text)?);
    }
    Ok(terminal::print(&table::table(lines.iter().map(|line| &line.entry), with_header))?)
}
