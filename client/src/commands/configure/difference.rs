//! The changes of a file as a unified diff.

use std::ops::Range;
use std::time::{Duration, Instant};

use similar::udiff::UnifiedHunkHeader;
use similar::{Algorithm, ChangeTag, DiffOp, DiffableStr, capture_diff_deadline, group_diff_ops};

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;
/// After this time, the rest of the differences is found less exactly, which only a section of many thousand lines
/// needs.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// Returns the changes as a unified diff.
pub(super) fn difference(before: &str, after: &str) -> String {
    let (old, new) = (before.tokenize_lines(), after.tokenize_lines());
    let mut operations = Operations::default();
    let deadline = Instant::now() + TIME_LIMIT;
    // An edit keeps the order of the sections and appends new ones, so each is compared with its earlier text. The time
    // of a comparison grows with the square of the differences: ten thousand converted profiles at once took minutes,
    // one after another they take 0.1 s.
    let (old_sections, new_sections) = (sections(&old), sections(&new));
    for index in 0..old_sections.len().max(new_sections.len()) {
        let old_range = old_sections.get(index).cloned().unwrap_or(old.len()..old.len());
        let new_range = new_sections.get(index).cloned().unwrap_or(new.len()..new.len());
        let found = capture_diff_deadline(
            Algorithm::Myers,
            old.as_slice(),
            old_range,
            new.as_slice(),
            new_range,
            Some(deadline),
        );
        for operation in found {
            operations.push(operation);
        }
    }
    let text = unified(&old, &new, operations.0);
    if text.is_empty() { "Nothing would change.\n".to_owned() } else { text }
}

/// Returns the lines of each section; the first ones are above all headers.
fn sections(lines: &[&str]) -> Vec<Range<usize>> {
    let headers = lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with('['));
    let mut starts: Vec<usize> = headers.map(|(index, _)| index).collect();
    starts.insert(0, 0);
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// The operations that turn one text into the other, in their order.
#[derive(Default)]
struct Operations(Vec<DiffOp>);

impl Operations {
    /// Adds an operation. Unchanged lines that follow each other become one operation, as the grouping expects.
    fn push(&mut self, operation: DiffOp) {
        if let (Some(DiffOp::Equal { len, .. }), DiffOp::Equal { len: more, .. }) =
            (self.0.last_mut(), &operation)
        {
            *len += more;
        } else {
            self.0.push(operation);
        }
    }
}

fn unified(old: &[&str], new: &[&str], operations: Vec<DiffOp>) -> String {
    let mut text = String::new();
    for hunk in group_diff_ops(operations, CONTEXT) {
        if hunk.iter().all(|operation| matches!(operation, DiffOp::Equal { .. })) {
            continue;
        }
        if text.is_empty() {
            text.push_str("--- current\n+++ new\n");
        }
        text.push_str(&format!("{}\n", UnifiedHunkHeader::new(&hunk)));
        for change in hunk.iter().flat_map(|operation| operation.iter_changes(old, new)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            text.push(sign);
            text.push_str(change.value());
            if !change.value().ends_with(['\n', '\r']) {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use similar::TextDiff;

    use super::*;

    /// Returns the diff of the library, which compares the texts as a whole.
    fn whole(before: &str, after: &str) -> String {
        TextDiff::from_lines(before, after)
            .unified_diff()
            .context_radius(CONTEXT)
            .header("current", "new")
            .to_string()
    }

    #[test]
    fn the_changes_of_each_section_are_shown_as_of_a_whole_file() {
        let before = "# top\n\n[profile a]\nregion = x\noutput = json\n\n[profile b]\nregion = y";
        for after in [
            "# top\n\n[profile a]\nregion = z\noutput = json\n\n[profile b]\nregion = y",
            "# top\n\n[profile a]\nregion = x\noutput = json\n\n[profile b]\nregion = y\nk = 1\n",
            "# top\n\n[profile a]\nregion = x\noutput = json\n\n[profile b]\nregion = y\n\n[sso-session s]\nk = 1\n",
            "# top\n\n[profile a]\nregion = x\nk = 1\noutput = json\n\n[profile b]\n# why\nregion = z\n",
        ] {
            assert_eq!(difference(before, after), whole(before, after), "{after}");
        }
        assert_eq!(difference("", "[profile a]\nregion = x\n"), whole("", "[profile a]\nregion = x\n"));
        assert_eq!(difference(before, before), "Nothing would change.\n");
    }

    proptest::proptest! {
        #[test]
        fn the_changed_lines_turn_one_text_into_the_other(
            before in "(\\[[ab]\\]\n|[k-m] = [a-c]\n|\n){0,12}", after in "(\\[[ab]\\]\n|[k-m] = [a-c]\n|\n){0,12}"
        ) {
            let shown = difference(&before, &after);
            let body = |kept: &[char]| -> Vec<String> {
                let lines = shown.lines().skip(2).filter(|line| !line.starts_with("@@"));
                lines.filter(|line| line.starts_with(kept)).map(|line| line[1..].to_owned()).collect()
            };
            let is_part = |lines: &[String], text: &str| {
                let mut rest = text.lines();
                lines.iter().all(|line| rest.by_ref().any(|found| found == line))
            };
            let (removed, added) = (body(&[' ', '-']), body(&[' ', '+']));
            if before == after {
                proptest::prop_assert_eq!(shown, "Nothing would change.\n");
            } else {
                proptest::prop_assert!(is_part(&removed, &before) && is_part(&added, &after), "{}", shown);
                let (minus, plus) = (body(&['-']).len(), body(&['+']).len());
                proptest::prop_assert_eq!(
                    before.lines().count() - minus, after.lines().count() - plus, "{}", shown
                );
            }
        }
    }
}
