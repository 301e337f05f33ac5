//! The rows of `ssod audit`.

use console::{Alignment, Term, pad_str};
use ssod_control::{AuditAction, AuditEntry, AuditOutcome};
use ssod_model::Timestamp;

use crate::terminal::{self, Style};

/// The widths are fixed, so that later rows align with earlier ones. A longer cell shifts the rest of its row.
const WIDTHS: [usize; 7] = [20, 7, 16, 14, 7, 5, 18];

/// Returns the table of the entries.
pub(super) fn table<'a>(entries: impl Iterator<Item = &'a AuditEntry>, with_header: bool) -> String {
    let columns = columns();
    let rows: String = entries.map(row).map(|(cells, remark)| render(&cells, remark, columns)).collect();
    if !with_header || rows.is_empty() {
        return rows;
    }
    let header = ["TIME", "OUTCOME", "PROFILE", "PROGRAM", "PID", "UID", "VIA"].map(str::to_owned);
    render(&header, None, columns) + &rows
}

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
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let at = entry.at.parse::<Timestamp>();
    let cells = [
        at.map_or_else(|_| terminal::one_line(&entry.at), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
        outcome(entry),
        entry.profile.as_deref().map_or_else(|| "-".to_owned(), terminal::one_line),
        program(entry),
        number(entry.pid),
        number(entry.uid),
        entry.via.as_str().to_owned(),
    ];
    (cells, remark(entry))
}

/// Returns the action if it was carried out, or else the outcome.
fn outcome(entry: &AuditEntry) -> String {
    let action = entry.action.map_or("done", AuditAction::as_str);
    match entry.outcome {
        AuditOutcome::Served => terminal::stdout_style(Style::Green, "served"),
        AuditOutcome::Done => terminal::stdout_style(Style::Green, action),
        AuditOutcome::Refused => terminal::stdout_style(Style::Yellow, "refused"),
        AuditOutcome::Unknown => terminal::stdout_style(Style::Yellow, "unknown"),
    }
}

fn remark(entry: &AuditEntry) -> Option<String> {
    let repeated = match entry.repeated {
        0 => None,
        1 => Some("once more:".to_owned()),
        times => Some(format!("{times} more times:")),
    };
    let refused_action = entry.action.filter(|_| entry.outcome == AuditOutcome::Refused);
    let refused_action = refused_action.map(|action| format!("{}:", action.as_str()));
    let detail = entry.detail.as_deref().map(terminal::one_line);
    let reason = entry.reason.as_deref().map(terminal::one_line);
    let lost = (entry.lost > 0).then(|| format!("({} entries before this one were lost)", entry.lost));
    let parts = [repeated, refused_action, detail, reason, lost];
    let remark = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Some(remark.trim_end_matches(':').to_owned()).filter(|remark| !remark.is_empty())
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
    use super::*;

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
        let detail = AuditEntry { detail: Some("to \u{1b}file".into()), ..AuditEntry::default() };
        assert_eq!(row(&detail).1.as_deref(), Some("to ?file"));
    }

    #[test]
    fn an_action_is_named_whether_it_was_carried_out_or_not() {
        let action = Some(AuditAction::Use);
        let done = AuditEntry { action, outcome: AuditOutcome::Done, ..AuditEntry::default() };
        assert!(row(&done).0[1].contains("use"));
        let refused = AuditEntry { outcome: AuditOutcome::Refused, reason: Some("no".into()), ..done };
        assert!(row(&refused).0[1].contains("refused"));
        assert_eq!(row(&refused).1.as_deref(), Some("use: no"));
    }
}
