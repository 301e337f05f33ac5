//! `ssod audit --verify`: checks the chain of both logs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ssod_control::{
    AuditWritten, ChainFault, ChainHead, ChainReport, ChainVerifier, FaultKind, LineText, Paths,
};
use ssod_private_files::{FileError, ReadPolicy, read};

use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::terminal;

/// More than the daemon writes into one file.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// The daemon may rotate a log between the reading of its two files, so a fault is confirmed by a second check.
const ATTEMPTS: usize = 3;
const POLICY: ReadPolicy = ReadPolicy::private().max_bytes(MAX_FILE_BYTES);

/// The result for one log.
struct Checked {
    files: [PathBuf; 2],
    report: ChainReport,
}

/// Checks both logs, and fails if a line was changed, removed or inserted. `flush` makes the running daemon write its
/// lines, and returns its newest entries.
pub(super) fn run(context: &CommandContext, flush: impl Fn() -> Option<AuditWritten>) -> CommandResult<()> {
    let logs = [context.paths.audit(), context.paths.audit_refusals()];
    let mut attempt = 0;
    let (checked, has_daemon) = loop {
        attempt += 1;
        let written = flush();
        let AuditWritten { head, refusals_head } = written.unwrap_or_default();
        let has_daemon = head.is_some() && refusals_head.is_some();
        let [grants, refusals] = &logs;
        let checked = [check(grants, head)?, check(refusals, refusals_head)?];
        if attempt == ATTEMPTS || checked.iter().all(|log| log.report.faults.is_empty()) {
            break (checked, has_daemon);
        }
    };
    let text: String = checked.iter().map(describe).collect();
    terminal::print(&text)?;
    let faults: usize = checked.iter().map(|log| log.report.faults.len()).sum();
    if faults == 0 {
        terminal::print(if has_daemon {
            "The audit log is intact, up to the newest entry that the running daemon has written.\n"
        } else {
            "The audit log is intact. No daemon runs, so lines after the last recorded entry may have been removed.\n"
        })?;
        return Ok(());
    }
    let lines = if faults == 1 { "1 place" } else { &format!("{faults} places") };
    Err(CommandError::new(format!("The audit log was changed by another program than ssod, at {lines}."))
        .hint("Every program that runs as you can do that: check what ran at that time, and sign out with ssod logout --revoke-shells"))
}

/// Checks one log. The head is the newest entry that the daemon has in memory; otherwise the recorded one counts.
fn check(log: &Path, head: Option<ChainHead>) -> CommandResult<Checked> {
    let recorded = || serde_json::from_slice(&bytes(&Paths::chain_head(log)).ok()?).ok();
    let mut verifier = ChainVerifier::new(head.or_else(recorded));
    let files = [Paths::before(log), log.to_owned()];
    for (file, path) in files.iter().enumerate() {
        let content = bytes(path)?;
        let lines = content.split_inclusive(|byte| *byte == b'\n');
        for (line, bytes) in (1..).zip(lines) {
            let complete = bytes.strip_suffix(b"\n");
            let (text, is_complete) = (complete.unwrap_or(bytes), complete.is_some());
            verifier.check(LineText { file, line, text, is_complete });
        }
    }
    Ok(Checked { files, report: verifier.finish() })
}

fn bytes(path: &Path) -> CommandResult<Vec<u8>> {
    match read(path, &POLICY) {
        Ok(content) => Ok(content),
        Err(FileError::NotFound) => Ok(Vec::new()),
        Err(error) => Err(CommandError::new(format!("Cannot read {}: {error}.", path.display()))),
    }
}

fn describe(checked: &Checked) -> String {
    let Checked { files: [_, log], report } = checked;
    let mut text = format!("{}: {}", log.display(), count(report.lines, "chained line"));
    if report.torn > 0 {
        let lines = count(report.torn, "incomplete line");
        let _ = write!(text, ", {lines}, because the daemon was ended while it wrote");
    }
    if report.unchained > 0 {
        let lines = count(report.unchained, "line");
        let _ = write!(text, ", {lines} of an earlier version, which cannot be checked");
    }
    text.push('\n');
    for ChainFault { file, line, kind } in &report.faults {
        let path = checked.files.get(*file).unwrap_or(log).display();
        // A log without lines has no line to name.
        let _ = match line {
            0 => writeln!(text, "{}: {}", log.display(), explain(*kind)),
            line => writeln!(text, "{path}, line {line}: {}", explain(*kind)),
        };
    }
    text
}

fn explain(kind: FaultKind) -> String {
    match kind {
        FaultKind::Changed => "it was changed, or the line before it was".to_owned(),
        FaultKind::MissingBefore(lines) => format!("{} missing before it", are(lines)),
        FaultKind::MissingAfter(lines) => format!("{} missing after it", are(lines)),
        FaultKind::Inserted => "it was inserted here, or copied from another place".to_owned(),
        FaultKind::NotAnEntry => "ssod did not write it, or it was changed".to_owned(),
        FaultKind::Rewritten => {
            "the daemon wrote another entry with this number, so the log was rewritten".to_owned()
        }
    }
}

fn are(lines: u64) -> String {
    if lines == 1 { "1 line is".to_owned() } else { format!("{lines} lines are") }
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
