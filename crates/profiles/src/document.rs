//! The file as lines: what each one is, where it stands, nothing resolved yet.

use std::fmt;

use crate::Section;

/// A file that the AWS tools could not read either: ssod keeps what it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line, counted from 1.
    pub line: usize,
    /// What should have stood there.
    pub expected: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: expected {}", self.line, self.expected)
    }
}

impl std::error::Error for Broken {}

/// What one line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// Blank, or a comment of its own.
    Silent,
    /// `[profile NAME]` and its like. `plain_default` tells `[default]` from `[profile default]`.
    Header { section: Section, plain_default: bool },
    /// `key = value`, the key in lower case.
    Entry(Entry),
    /// An indented `key = value` below a key with an empty value, or the continuation of a value.
    Nested { key: String, value: String },
}

/// A `key = value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// The value as the SDKs read it.
    pub(crate) value: String,
    /// An inline comment, which the AWS CLI would read as part of the value.
    pub(crate) comment: Option<String>,
}

/// A line with its exact text, line ending included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: LineKind,
}

/// A parsed file that still knows all its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    pub(crate) lines: Vec<Line<'a>>,
}

impl<'a> Document<'a> {
    /// Parses a whole file; fails at the first line that no AWS tool could read.
    pub fn parse(text: &'a str) -> Result<Self, Broken> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = Vec::new();
        let mut place = Place::Outside;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let kind = parse_line(line, place).map_err(|expected| Broken { line: index + 1, expected })?;
            place = match &kind {
                LineKind::Header { .. } => Place::Section,
                LineKind::Entry(_) => Place::Value,
                LineKind::Silent | LineKind::Nested { .. } => place,
            };
            lines.push(Line { text: line, kind });
        }
        Ok(Self { lines })
    }

    /// Whether the section stands in the file.
    pub fn has(&self, section: &Section) -> bool {
        self.lines
            .iter()
            .any(|line| matches!(&line.kind, LineKind::Header { section: here, .. } if here == section))
    }
}

/// What an indented line would belong to.
#[derive(Clone, Copy)]
enum Place {
    Outside,
    Section,
    Value,
}

fn parse_line(line: &str, place: Place) -> Result<LineKind, &'static str> {
    let content = line.trim();
    if content.is_empty() || content.starts_with(['#', ';']) {
        return Ok(LineKind::Silent);
    }
    if line.starts_with([' ', '\t']) && matches!(place, Place::Value) {
        let (key, value) = content.split_once('=').unwrap_or((content, ""));
        return Ok(LineKind::Nested { key: key.trim().to_ascii_lowercase(), value: value.trim().to_owned() });
    }
    if let Some(rest) = content.strip_prefix('[') {
        let (inside, _after) = rest.split_once(']').ok_or("a closing ] after the section's name")?;
        let (section, plain_default) = parse_header(inside.trim());
        return Ok(LineKind::Header { section, plain_default });
    }
    if matches!(place, Place::Outside) {
        return Err("a section such as [profile NAME] before the first setting");
    }
    let (key, value) = content.split_once('=').ok_or("KEY = VALUE, a [section], or a # comment")?;
    let key = key.trim();
    if key.is_empty() {
        return Err("a key before the =");
    }
    let (value, comment) = split_comment(value);
    Ok(LineKind::Entry(Entry { key: key.to_ascii_lowercase(), value: value.to_owned(), comment }))
}

fn parse_header(inside: &str) -> (Section, bool) {
    let (kind, name) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
    let name = unquote(name.trim()).to_owned();
    match (kind, name.is_empty()) {
        ("default", true) => (Section::Profile("default".to_owned()), true),
        ("profile", false) => (Section::Profile(name), false),
        ("sso-session", false) => (Section::SsoSession(name), false),
        ("services", false) => (Section::Services(name), false),
        _ => (Section::Other(inside.to_owned()), false),
    }
}

/// A name without the quotes that the AWS CLI allows around it in a header.
fn unquote(name: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| name.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(name)
}

/// Splits `value # comment` as the SDKs do: a comment starts at a `#` or `;` after white space.
fn split_comment(value: &str) -> (&str, Option<String>) {
    let start = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find(|((_, before), mark)| before.is_whitespace() && matches!(mark, '#' | ';'))
        .map(|((at, before), _)| at + before.len_utf8());
    match start {
        Some(at) => (value[..at].trim(), Some(value[at..].trim().to_owned())),
        None => (value.trim(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> String {
        Document::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_broken_file_names_its_line_and_what_was_expected() {
        assert_eq!(
            broken("region = x\n"),
            "line 1: expected a section such as [profile NAME] before the first setting"
        );
        assert_eq!(broken("\n[profile a\n"), "line 2: expected a closing ] after the section's name");
        assert_eq!(
            broken("[profile a]\n# fine\nregion\n"),
            "line 3: expected KEY = VALUE, a [section], or a # comment"
        );
        assert_eq!(broken("[default]\n = x"), "line 2: expected a key before the =");
    }

    #[test]
    fn inline_comments_are_split_as_the_sdks_do() {
        assert_eq!(split_comment(" us-east-1 # home"), ("us-east-1", Some("# home".to_owned())));
        assert_eq!(split_comment(" us-east-1\t; home"), ("us-east-1", Some("; home".to_owned())));
        assert_eq!(split_comment(" https://x/#/"), ("https://x/#/", None));
        assert_eq!(split_comment(" # only"), ("", Some("# only".to_owned())));
    }

    #[test]
    fn headers_are_read_as_the_cli_and_the_sdks_read_them() {
        assert_eq!(parse_header("default"), (Section::Profile("default".to_owned()), true));
        assert_eq!(parse_header("profile default"), (Section::Profile("default".to_owned()), false));
        assert_eq!(parse_header("profile \"q w\""), (Section::Profile("q w".to_owned()), false));
        assert_eq!(parse_header("sso-session\tmy-sso"), (Section::SsoSession("my-sso".to_owned()), false));
        assert_eq!(parse_header("foo"), (Section::Other("foo".to_owned()), false));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_and_no_byte_is_lost(text in "(?s).{0,400}") {
            if let Ok(document) = Document::parse(&text) {
                let whole: String = document.lines.iter().map(|line| line.text).collect();
                proptest::prop_assert_eq!(whole, text.strip_prefix('\u{feff}').unwrap_or(&text));
            }
        }
    }
}
