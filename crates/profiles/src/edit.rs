//! Changes settings of a file, preserves all its other bytes, and checks the result before it is written.

use std::collections::{BTreeMap, HashMap, HashSet};

use thiserror::Error;

use crate::document::{Expected, LineKind, Setting, SourceLine, is_space};
use crate::reading::{Reading, Refusal, SectionReading};
use crate::{Document, Section};

/// What to change in one section, which is appended if the file does not have it.
#[derive(Clone, Debug)]
pub struct SectionEdit<'a> {
    /// The section.
    pub section: Section,
    /// The settings that it must have.
    pub set: Vec<(&'a str, String)>,
    /// The keys to remove, with the lines that continue their values.
    pub remove: &'a [&'a str],
}

/// A change that would break the file. Nothing must be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// The AWS CLI could not read the file any more.
    #[error("the AWS CLI could not read the changed file (line {}: {})", .0.line, .0.reason)]
    Unreadable(Refusal),
    /// Another section would change.
    #[error("the change would also affect {0}")]
    OtherSection(String),
    /// The section would not have the settings.
    #[error("{0} would not have the new settings")]
    NotSet(String),
}

/// Sets each `key = value` in the section. A line that already has the value is not changed.
pub fn set_keys(text: &str, section: &Section, entries: &[(&str, String)]) -> Result<String, EditError> {
    edit(text, section, entries, &[])
}

/// Removes the keys from the section, with the lines nested below them.
pub fn remove_keys(text: &str, section: &Section, keys: &[&str]) -> Result<String, EditError> {
    edit(text, section, &[], keys)
}

/// Sets and removes keys of the section together.
pub fn edit(
    text: &str,
    section: &Section,
    set: &[(&str, String)],
    remove: &[&str],
) -> Result<String, EditError> {
    edit_sections(text, &[SectionEdit { section: section.clone(), set: set.to_vec(), remove }])
}

/// Changes several sections, each at most once, in one pass.
///
/// The result is parsed again. It fails if the AWS CLI could read the file before but not afterwards, or if anything
/// else than these settings changed.
pub fn edit_sections(text: &str, edits: &[SectionEdit<'_>]) -> Result<String, EditError> {
    let document = Document::parse(text);
    let edited = Editor::new(&document, edits).run(text);
    check(&document, &Document::parse(&edited), edits)?;
    Ok(edited)
}

/// Builds the new text line by line.
struct Editor<'a> {
    document: &'a Document<'a>,
    edits: &'a [SectionEdit<'a>],
    by_section: HashMap<&'a Section, usize>,
    /// The line of the last header of each edited section. New keys go below it, because later values win.
    last_headers: HashMap<usize, usize>,
    newline: &'static str,
    output: Vec<String>,
    block: Option<EditedBlock<'a>>,
}

/// The part of an edited section that is being read.
struct EditedBlock<'a> {
    edit: &'a SectionEdit<'a>,
    /// Whether it is the section's last part.
    is_last: bool,
    /// The keys that are set already.
    written: HashSet<&'a str>,
    /// Where new keys go: after the last line that is not blank and not a comment.
    insert_at: usize,
    /// The indentation of the setting there; `None` if there is none.
    indent: Option<&'a str>,
    /// Whether the lines that continue the last setting are dropped.
    drops_continuation: bool,
}

impl<'a> Editor<'a> {
    fn new(document: &'a Document<'a>, edits: &'a [SectionEdit<'a>]) -> Self {
        let by_section: HashMap<_, _> =
            edits.iter().enumerate().map(|(index, edit)| (&edit.section, index)).collect();
        let headers = document.lines.iter().enumerate();
        let headers = headers.filter_map(|(line, source)| Some((*by_section.get(source.section()?)?, line)));
        let last_headers = headers.collect();
        let has_crlf = document.lines.iter().any(|line| line.text.ends_with("\r\n"));
        let newline = if has_crlf { "\r\n" } else { "\n" };
        Self { document, edits, by_section, last_headers, newline, output: Vec::new(), block: None }
    }

    fn run(mut self, text: &str) -> String {
        for (index, line) in self.document.lines.iter().enumerate() {
            self.line(index, line);
        }
        self.end_block("");
        let mark = if self.document.has_byte_order_mark { &text[..3] } else { "" };
        let mut edited = format!("{mark}{}", self.output.concat());
        for (index, edit) in self.edits.iter().enumerate() {
            if !self.last_headers.contains_key(&index) && !edit.set.is_empty() {
                append_section(&mut edited, edit, self.newline);
            }
        }
        edited
    }

    fn line(&mut self, index: usize, line: &'a SourceLine<'a>) {
        match &line.kind {
            LineKind::Blank | LineKind::Comment => return self.keep(line),
            LineKind::Header(header) => {
                self.end_block(line.indent());
                let edit = self.by_section.get(&header.section).copied();
                self.block = edit.and_then(|edit| {
                    let is_last = self.last_headers.get(&edit) == Some(&index);
                    Some(EditedBlock::new(self.edits.get(edit)?, is_last))
                });
                match &header.comment {
                    Some(comment) if self.block.is_some() => self.move_comment(line, comment),
                    _ => self.keep(line),
                }
            }
            LineKind::Unknown(Expected::ClosingBracket) => {
                self.end_block(line.indent());
                self.keep(line);
            }
            LineKind::Setting(setting) => {
                let is_continued = self.is_continued(index);
                match self.block.as_mut().map_or(Change::Keep, |block| block.change(setting, is_continued)) {
                    Change::Keep => self.keep(line),
                    Change::Remove => return,
                    Change::Set(value) => self.replace(line, setting, &value),
                }
            }
            LineKind::Continuation(_)
                if self.block.as_ref().is_some_and(|block| block.drops_continuation) =>
            {
                return;
            }
            LineKind::Continuation(_) | LineKind::Unknown(_) => self.keep(line),
        }
        if let Some(block) = &mut self.block {
            block.insert_at = self.output.len();
            match &line.kind {
                LineKind::Setting(_) => block.indent = Some(line.indent()),
                LineKind::Unknown(_) => (block.indent, block.drops_continuation) = (None, false),
                _ => {}
            }
        }
    }

    fn keep(&mut self, line: &SourceLine<'_>) {
        self.output.push(line.text.to_owned());
    }

    /// Moves the comment after a header to the line above, because configparser reads it as part of the name.
    fn move_comment(&mut self, line: &SourceLine<'_>, comment: &str) {
        let (indent, newline) = (line.indent(), self.newline);
        let header = line.text.trim_matches(is_space);
        let header = header.strip_suffix(comment).unwrap_or(header).trim_end_matches(is_space);
        self.output.push(format!("{indent}{comment}{newline}"));
        self.output.push(format!("{indent}{header}{newline}"));
    }

    /// Writes the new value. An inline comment moves to the line above.
    fn replace(&mut self, line: &SourceLine<'_>, setting: &Setting<'_>, value: &str) {
        let (indent, newline) = (line.indent(), self.newline);
        if let Some(comment) = setting.comment() {
            self.output.push(format!("{indent}{comment}{newline}"));
        }
        self.output.push(format!("{indent}{} = {value}{newline}", setting.key));
    }

    /// Returns whether lines below continue the setting in that line.
    fn is_continued(&self, index: usize) -> bool {
        let below = self.document.lines.iter().skip(index + 1);
        let next =
            below.map(|line| &line.kind).find(|kind| !matches!(kind, LineKind::Blank | LineKind::Comment));
        matches!(next, Some(LineKind::Continuation(_)))
    }

    /// Inserts the keys that the block does not have. `next_indent` is the indentation of the line that ends the block:
    /// if the block has no setting, the new keys must have the same, so that this line does not continue them.
    fn end_block(&mut self, next_indent: &str) {
        let Some(block) = self.block.take().filter(|block| block.is_last) else { return };
        let indent = block.indent.unwrap_or(next_indent);
        let new = block.edit.set.iter().filter(|(key, _)| !block.written.contains(key));
        let new: Vec<String> =
            new.map(|(key, value)| format!("{indent}{key} = {value}{}", self.newline)).collect();
        let before = block.insert_at.checked_sub(1).and_then(|at| self.output.get_mut(at));
        if let Some(before) = before
            && !new.is_empty()
            && !before.ends_with(['\n', '\r'])
        {
            before.push_str(self.newline);
        }
        self.output.splice(block.insert_at..block.insert_at, new);
    }
}

/// What happens to a setting.
enum Change {
    Keep,
    Remove,
    Set(String),
}

impl<'a> EditedBlock<'a> {
    fn new(edit: &'a SectionEdit<'a>, is_last: bool) -> Self {
        Self { edit, is_last, written: HashSet::new(), insert_at: 0, indent: None, drops_continuation: false }
    }

    fn change(&mut self, setting: &'a Setting<'_>, is_continued: bool) -> Change {
        let change = self.decide(setting, is_continued);
        self.drops_continuation = !matches!(change, Change::Keep);
        change
    }

    fn decide(&mut self, setting: &'a Setting<'_>, is_continued: bool) -> Change {
        if self.edit.remove.contains(&&*setting.key) {
            return Change::Remove;
        }
        let wanted = self.edit.set.iter().find(|(key, _)| *key == setting.key);
        let Some((_, value)) = wanted.filter(|_| self.is_last) else { return Change::Keep };
        self.written.insert(&setting.key);
        if *value == setting.raw && setting.delimiter == '=' && !is_continued {
            Change::Keep
        } else {
            Change::Set(value.clone())
        }
    }
}

fn append_section(text: &mut String, edit: &SectionEdit<'_>, newline: &str) {
    if !text.is_empty() && text != "\u{feff}" {
        if !text.ends_with(['\n', '\r']) {
            text.push_str(newline);
        }
        if !text.ends_with("\n\n") && !text.ends_with("\n\r\n") {
            text.push_str(newline);
        }
    }
    text.push_str(&edit.section.header());
    text.push_str(newline);
    for (key, value) in &edit.set {
        text.push_str(&format!("{key} = {value}{newline}"));
    }
}

/// Checks that the AWS CLI can still read the file, that the edited sections have what was asked for, and that nothing
/// else changed.
fn check(before: &Document<'_>, after: &Document<'_>, edits: &[SectionEdit<'_>]) -> Result<(), EditError> {
    let (before, after) = (Reading::of(before), Reading::of(after));
    if let (None, Some(refusal)) = (before.refusal, after.refusal) {
        return Err(EditError::Unreadable(refusal));
    }
    let edits: HashMap<_, _> = edits.iter().map(|edit| (&edit.section, edit)).collect();
    let is_other =
        |section: &&SectionReading<'_>| !section.section.is_some_and(|name| edits.contains_key(name));
    let mut others = after.sections.iter().filter(is_other);
    for section in before.sections.iter().filter(is_other) {
        let found = others.next();
        if found != Some(section) {
            return Err(EditError::OtherSection(format!("[{}]", found.unwrap_or(section).name)));
        }
    }
    if let Some(new) = others.next() {
        return Err(EditError::OtherSection(format!("[{}]", new.name)));
    }
    let (before, after) = (last_of_each(&before), last_of_each(&after));
    for (section, edit) in edits {
        let mut expected = before.get(section).map_or_else(BTreeMap::new, |section| section.values.clone());
        expected.retain(|key, _| !edit.remove.contains(key));
        expected.extend(edit.set.iter().map(|(key, value)| (*key, value.clone())));
        let found = after.get(section).map(|section| &section.values);
        if found.map_or(!expected.is_empty(), |found| *found != expected) {
            return Err(EditError::NotSet(section.header()));
        }
    }
    Ok(())
}

fn last_of_each<'a>(reading: &'a Reading<'a>) -> HashMap<&'a Section, &'a SectionReading<'a>> {
    reading.sections.iter().filter_map(|section| Some((section.section?, section))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RefusalReason;

    fn profile(name: &str) -> Section {
        Section::Profile(name.to_owned())
    }

    #[test]
    fn a_new_section_is_appended_after_a_blank_line() {
        let made =
            set_keys("[default]\nregion = x", &profile("a"), &[("region", "us-east-1".into())]).unwrap();
        assert_eq!(made, "[default]\nregion = x\n\n[profile a]\nregion = us-east-1\n");
        let first = set_keys("", &profile("a"), &[("region", "us-east-1".into())]).unwrap();
        assert_eq!(first, "[profile a]\nregion = us-east-1\n");
    }

    #[test]
    fn settings_change_in_place_and_no_other_byte_changes() {
        let text = "# mine\n\n[profile a]  # first\nREGION=old # why\noutput   =  json\ns3 =\n  max = 1\n\n; end\n[profile b]\nregion = keep\n";
        let made = set_keys(
            text,
            &profile("a"),
            &[("region", "new".into()), ("output", "json".into()), ("ssod_session", "s".into())],
        )
        .unwrap();
        assert_eq!(
            made,
            "# mine\n\n[profile a]  # first\n# why\nregion = new\noutput   =  json\ns3 =\n  max = 1\nssod_session = s\n\n; end\n[profile b]\nregion = keep\n"
        );
    }

    #[test]
    fn new_keys_have_the_indentation_of_the_section() {
        let set = [("k", "new".to_owned()), ("l", "new".to_owned())];
        for (text, expected) in [
            ("[profile a]\n  k = 1\n  m = 2\n", "[profile a]\n  k = new\n  m = 2\n  l = new\n"),
            ("[profile a]\n\tm = 2", "[profile a]\n\tm = 2\n\tk = new\n\tl = new\n"),
            ("[profile a]\n  [profile b]\n", "[profile a]\n  k = new\n  l = new\n  [profile b]\n"),
            (
                "[profile a]\nk =\n  # note\n  n = 1\nm = 2\n",
                "[profile a]\nk = new\n  # note\nm = 2\nl = new\n",
            ),
            ("[profile a] # see [b]\nk: 1\n", "# see [b]\n[profile a]\nk = new\nl = new\n"),
        ] {
            assert_eq!(set_keys(text, &profile("a"), &set).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_change_that_would_break_the_file_is_refused() {
        let text = "[profile a]\nregion = x\n[profile b]\nregion = y\n";
        let set = |value: &str| set_keys(text, &profile("a"), &[("region", value.to_owned())]);
        let unreadable = |line, reason| Err(EditError::Unreadable(Refusal { line, reason }));
        assert_eq!(set("x\nregion = z"), unreadable(3, RefusalReason::DuplicateKey));
        assert_eq!(set("x\n[profile b]"), unreadable(4, RefusalReason::DuplicateSection));
        assert_eq!(set("x\n[profile c]"), Err(EditError::OtherSection("[profile c]".to_owned())));
        assert_eq!(set("x\noutput = json"), Err(EditError::NotSet("[profile a]".to_owned())));
        assert_eq!(set(" padded "), Err(EditError::NotSet("[profile a]".to_owned())));
        // Such a file is refused anyway, so it can still be changed.
        let duplicate = format!("{text}region = z\n");
        assert!(set_keys(&duplicate, &profile("a"), &[("region", "new".to_owned())]).is_ok());
    }

    #[test]
    fn removing_a_key_removes_its_nested_lines() {
        let text = "[profile a]\nsso_session = s\ns3 =\n  max = 1\nregion = x\n";
        assert_eq!(
            remove_keys(text, &profile("a"), &["s3", "sso_session"]).unwrap(),
            "[profile a]\nregion = x\n"
        );
        assert_eq!(remove_keys(text, &profile("none"), &["s3"]).unwrap(), text);
    }

    #[test]
    fn preserves_windows_line_endings() {
        let made =
            set_keys("[profile a]\r\nregion = x\r\n", &profile("a"), &[("output", "json".into())]).unwrap();
        assert_eq!(made, "[profile a]\r\nregion = x\r\noutput = json\r\n");
    }

    proptest::proptest! {
        #[test]
        fn setting_is_idempotent_and_loses_nothing(
            text in "(\\[profile [ab]\\] ?\n|[k-m] ?= ?[a-z ]{0,5}( # note)?\n|  n = 1\n|# c\n|\n){0,14}"
        ) {
            let set = [("k", "v".to_owned())];
            let once = set_keys(&text, &profile("a"), &set).unwrap();
            proptest::prop_assert_eq!(&set_keys(&once, &profile("a"), &set).unwrap(), &once);
            // Lines below `k` are part of its old value.
            for line in text.lines().filter(|line| !line.starts_with(['k', ' ']) && !line.is_empty()) {
                proptest::prop_assert!(once.contains(line), "{line:?} is gone from {once:?}");
            }
        }
    }
}
