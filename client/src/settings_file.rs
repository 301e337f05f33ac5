//! Changes one setting of `config.toml`, and keeps all other bytes of the user's file.

use toml::de::DeTable;
use toml::{Table, Value};

/// Why the setting cannot be changed by a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SettingsEditError {
    /// The file is not TOML.
    Malformed {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there, without a full stop.
        reason: String,
    },
    /// The file has `vault` in a form that this program does not change.
    UnusualForm,
}

/// Returns the text with `key = "file"` under `[vault]`.
pub(crate) fn with_key_in_file(text: &str) -> Result<String, SettingsEditError> {
    let document = DeTable::parse(text).map_err(|error| {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
        let reason = error.message().trim().replace('\n', "; ");
        SettingsEditError::Malformed { line: before.matches('\n').count() + 1, reason }
    })?;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let edited = match document.get_ref().get("vault") {
        None => append_table(text, newline),
        Some(vault) => match vault.get_ref().get("key") {
            Some(key) => replace(text, key.span(), "\"file\""),
            None => insert_key(text, vault.span(), newline).ok_or(SettingsEditError::UnusualForm)?,
        },
    };
    if is_intended(text, &edited) { Ok(edited) } else { Err(SettingsEditError::UnusualForm) }
}

fn append_table(text: &str, newline: &str) -> String {
    let mut edited = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        edited.push_str(newline);
    }
    edited + &format!("[vault]{newline}key = \"file\"{newline}")
}

/// Adds the key to a table that has none: below its header, or in its braces.
fn insert_key(text: &str, table: std::ops::Range<usize>, newline: &str) -> Option<String> {
    let written = text.get(table.clone())?;
    if let Some(inner) = written.strip_prefix('{') {
        let separator = if inner.trim_end_matches('}').trim().is_empty() { "" } else { "," };
        return Some(replace(text, table.start..table.start + 1, &format!("{{ key = \"file\"{separator} ")));
    }
    if !written.starts_with('[') {
        return None;
    }
    let rest = text.get(table.end..)?;
    let line_end = rest.find('\n').map(|at| table.end + at + 1);
    Some(match line_end {
        Some(at) => replace(text, at..at, &format!("key = \"file\"{newline}")),
        None => format!("{text}{newline}key = \"file\"{newline}"),
    })
}

fn replace(text: &str, span: std::ops::Range<usize>, with: &str) -> String {
    let (before, after) = (text.get(..span.start), text.get(span.end..));
    format!("{}{with}{}", before.unwrap_or_default(), after.unwrap_or_default())
}

/// Returns whether the edited text has that key, and everything else as before.
fn is_intended(text: &str, edited: &str) -> bool {
    let (Ok(mut expected), Ok(actual)) = (text.parse::<Table>(), edited.parse::<Table>()) else {
        return false;
    };
    let vault = expected.entry("vault").or_insert_with(|| Value::Table(Table::new()));
    let Some(vault) = vault.as_table_mut() else { return false };
    vault.insert("key".to_owned(), Value::String("file".to_owned()));
    expected == actual
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_changes() {
        for (before, after) in [
            ("", "[vault]\nkey = \"file\"\n"),
            ("[endpoint]\nport = 1", "[endpoint]\nport = 1\n[vault]\nkey = \"file\"\n"),
            (
                "# mine\n[vault]\n# the key\nkey   =  \"auto\"  # why\n",
                "# mine\n[vault]\n# the key\nkey   =  \"file\"  # why\n",
            ),
            (
                "[vault] # here\n\n[log]\nformat = 'text'\n",
                "[vault] # here\nkey = \"file\"\n\n[log]\nformat = 'text'\n",
            ),
            ("[vault]", "[vault]\nkey = \"file\"\n"),
            ("vault.key = 'auto'\n[log]\n", "vault.key = \"file\"\n[log]\n"),
            ("vault = { key = \"auto\" }\n", "vault = { key = \"file\" }\n"),
            ("vault = {}\n", "vault = { key = \"file\" }\n"),
            ("vault = { x = 1 }\n", "vault = { key = \"file\",  x = 1 }\n"),
            ("[endpoint]\r\nport = 1\r\n", "[endpoint]\r\nport = 1\r\n[vault]\r\nkey = \"file\"\r\n"),
            ("[vault]\nkey = \"file\"\n", "[vault]\nkey = \"file\"\n"),
            ("\"vault\".\"key\" = \"auto\"\n", "\"vault\".\"key\" = \"file\"\n"),
        ] {
            assert_eq!(with_key_in_file(before).as_deref(), Ok(after), "{before:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_changed_safely_is_an_error() {
        let malformed = with_key_in_file("[endpoint]\nport 7\n").unwrap_err();
        assert!(matches!(malformed, SettingsEditError::Malformed { line: 2, .. }), "{malformed:?}");
        for text in ["vault = 3\n", "vault = [1]\n", "[[vault]]\n", "[vault.key]\nx = 1\n"] {
            assert_eq!(with_key_in_file(text), Err(SettingsEditError::UnusualForm), "{text:?}");
        }
    }
}
