//! Changes single settings of a file and preserves all its other bytes.

use crate::document::{LineKind, Setting};
use crate::{Document, ParseError, Section};

/// Sets each `key = value` in the section, which is appended if it does not exist. A line that already has the value
/// is not changed. Fails only for a file that no AWS tool can read.
pub fn set_keys(text: &str, section: &Section, entries: &[(&str, String)]) -> Result<String, ParseError> {
    edit(text, section, entries, &[])
}

/// Removes the keys from the section, with the lines nested below them.
pub fn remove_keys(text: &str, section: &Section, keys: &[&str]) -> Result<String, ParseError> {
    edit(text, section, &[], keys)
}

/// Sets and removes keys of the section together.
pub fn edit(
    text: &str,
    section: &Section,
    set: &[(&str, String)],
    remove: &[&str],
) -> Result<String, ParseError> {
    let document = Document::parse(text)?;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut editor = Editor { lines: Vec::new(), pending: set.to_vec(), newline };
    let Some(last) = last_section(&document, section) else {
        if set.is_empty() {
            return Ok(text.to_owned());
        }
        return Ok(editor.append_section(text, section));
    };
    let mut inside = false;
    let mut removing = false;
    // New keys go after the section's last setting, before the blank lines that separate it from the next section.
    let mut insert_at = 0;
    for (index, line) in document.lines.iter().enumerate() {
        match &line.kind {
            LineKind::Header { section: here, .. } => {
                inside = here == section;
                removing = false;
            }
            LineKind::Setting(setting) => {
                removing = inside && remove.contains(&setting.key.as_str());
                if inside && !removing && editor.replace(setting, line.text) {
                    if index >= last {
                        insert_at = editor.lines.len();
                    }
                    continue;
                }
            }
            LineKind::Ignored => removing = false,
            LineKind::Nested { .. } => {}
        }
        if removing {
            continue;
        }
        editor.lines.push(line.text.to_owned());
        if index >= last && inside && !matches!(line.kind, LineKind::Ignored) {
            insert_at = editor.lines.len();
        }
    }
    let bom = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    Ok(format!("{bom}{}", editor.finish(insert_at)))
}

/// Returns the index of the last header of that section. New keys go below it, because later values win.
fn last_section(document: &Document<'_>, section: &Section) -> Option<usize> {
    document.lines.iter().rposition(|line| line.is_header_of(section))
}

struct Editor<'a> {
    lines: Vec<String>,
    /// The settings that are not written yet.
    pending: Vec<(&'a str, String)>,
    newline: &'static str,
}

impl Editor<'_> {
    /// Writes the new value if this setting is one to be set, and returns whether it is. An inline comment moves to the
    /// line above.
    fn replace(&mut self, setting: &Setting, text: &str) -> bool {
        let Some(at) = self.pending.iter().position(|(key, _)| *key == setting.key) else { return false };
        let (key, value) = self.pending.remove(at);
        if value == setting.value && setting.comment.is_none() {
            self.lines.push(text.to_owned());
            return true;
        }
        if let Some(comment) = &setting.comment {
            self.lines.push(format!("{comment}{}", self.newline));
        }
        self.lines.push(format!("{key} = {value}{}", self.newline));
        true
    }

    fn finish(mut self, insert_at: usize) -> String {
        if !self.pending.is_empty()
            && let Some(before) = insert_at.checked_sub(1).and_then(|at| self.lines.get_mut(at))
            && !before.ends_with('\n')
        {
            before.push_str(self.newline);
        }
        let new = self.pending.iter().map(|(key, value)| format!("{key} = {value}{}", self.newline));
        let new: Vec<String> = new.collect();
        self.lines.splice(insert_at..insert_at, new);
        self.lines.concat()
    }

    fn append_section(&mut self, text: &str, section: &Section) -> String {
        let newline = self.newline;
        let mut whole = text.to_owned();
        if !whole.is_empty() {
            if !whole.ends_with('\n') {
                whole.push_str(newline);
            }
            if !whole.ends_with("\n\n") && !whole.ends_with("\n\r\n") {
                whole.push_str(newline);
            }
        }
        whole.push_str(&section.header());
        whole.push_str(newline);
        for (key, value) in self.pending.drain(..) {
            whole.push_str(&format!("{key} = {value}{newline}"));
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            if let Ok(once) = set_keys(&text, &profile("a"), &set) {
                proptest::prop_assert_eq!(&set_keys(&once, &profile("a"), &set).unwrap(), &once);
                for line in text.lines().filter(|line| !line.starts_with('k') && !line.is_empty()) {
                    proptest::prop_assert!(once.contains(line), "{line:?} is missing in {once:?}");
                }
            }
        }
    }
}
