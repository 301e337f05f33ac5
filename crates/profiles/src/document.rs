//! Parses the file into lines, each with its kind and its exact text.

use std::fmt;

use crate::Section;

/// Why a file cannot be parsed. AWS tools cannot read it either, and the daemon keeps the last valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// What was expected there.
    pub expected: Expected,
}

/// What a line that cannot be parsed should contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A section before the first setting.
    Section,
    /// The end of a section's name.
    ClosingBracket,
    /// A setting, a section or a comment.
    Setting,
    /// A key before the `=`.
    Key,
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Section => "a section such as [profile NAME] before the first setting",
            Self::ClosingBracket => "a closing ] after the section's name",
            Self::Setting => "KEY = VALUE, a [section], or a # comment",
            Self::Key => "a key before the =",
        })
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: expected {}", self.line, self.expected)
    }
}

impl std::error::Error for ParseError {}

/// The meaning of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// A blank line, or a comment on its own line.
    Ignored,
    /// `[profile NAME]` and the like.
    Header { section: Section, spelling: HeaderSpelling },
    /// `key = value`, the key in lower case.
    Setting(Setting),
    /// An indented `key = value` below a key with an empty value, or the continuation of a value.
    Nested { key: String, value: String },
}

/// How a header names its section: the default profile has two spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderSpelling {
    /// `[default]`.
    Default,
    /// The kind and the name, as in `[profile default]`.
    Full,
}

/// A `key = value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: String,
    /// The value as the SDKs read it.
    pub(crate) value: String,
    /// An inline comment, which the AWS CLI would read as part of the value.
    pub(crate) comment: Option<String>,
}

/// A line with its exact text, line ending included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceLine<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: LineKind,
}

/// A parsed file that still has all its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    pub(crate) lines: Vec<SourceLine<'a>>,
}

impl<'a> Document<'a> {
    /// Parses a whole file; fails at the first line that no AWS tool could read.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = Vec::new();
        let mut position = Position::BeforeSections;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let kind =
                parse_line(line, position).map_err(|expected| ParseError { line: index + 1, expected })?;
            position = match &kind {
                LineKind::Header { .. } => Position::AfterHeader,
                LineKind::Setting(_) => Position::AfterSetting,
                LineKind::Ignored | LineKind::Nested { .. } => position,
            };
            lines.push(SourceLine { text: line, kind });
        }
        Ok(Self { lines })
    }

    /// Returns whether the file has the section.
    pub fn has(&self, section: &Section) -> bool {
        self.lines.iter().any(|line| line.is_header_of(section))
    }
}

impl SourceLine<'_> {
    pub(crate) fn is_header_of(&self, wanted: &Section) -> bool {
        matches!(&self.kind, LineKind::Header { section, .. } if section == wanted)
    }
}

/// What the lines above allow: an indented line continues a setting, and a setting needs a section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    BeforeSections,
    AfterHeader,
    AfterSetting,
}

fn parse_line(line: &str, position: Position) -> Result<LineKind, Expected> {
    let content = line.trim();
    if content.is_empty() || content.starts_with(['#', ';']) {
        return Ok(LineKind::Ignored);
    }
    if line.starts_with([' ', '\t']) && position == Position::AfterSetting {
        let (key, value) = content.split_once('=').unwrap_or((content, ""));
        return Ok(LineKind::Nested { key: key.trim().to_ascii_lowercase(), value: value.trim().to_owned() });
    }
    if let Some(rest) = content.strip_prefix('[') {
        let (inside, _after) = rest.split_once(']').ok_or(Expected::ClosingBracket)?;
        let inside = inside.trim();
        let is_default = inside.split(char::is_whitespace).next() == Some("default");
        let spelling = if is_default { HeaderSpelling::Default } else { HeaderSpelling::Full };
        return Ok(LineKind::Header { section: parse_section(inside), spelling });
    }
    if position == Position::BeforeSections {
        return Err(Expected::Section);
    }
    let (key, value) = content.split_once('=').ok_or(Expected::Setting)?;
    let key = key.trim();
    if key.is_empty() {
        return Err(Expected::Key);
    }
    let (value, comment) = split_comment(value);
    Ok(LineKind::Setting(Setting { key: key.to_ascii_lowercase(), value: value.to_owned(), comment }))
}

/// Reads the text between a header's brackets.
fn parse_section(inside: &str) -> Section {
    let (kind, name) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
    let name = unquote(name.trim()).to_owned();
    match (kind, name.is_empty()) {
        ("default", true) => Section::Profile("default".to_owned()),
        ("profile", false) => Section::Profile(name),
        ("sso-session", false) => Section::SsoSession(name),
        ("services", false) => Section::Services(name),
        _ => Section::Other(inside.to_owned()),
    }
}

/// Removes the quotes that the AWS CLI allows around a name in a header.
fn unquote(name: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| name.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(name)
}

/// Splits `value # comment` as the SDKs do: a comment starts at a `#` or `;` after whitespace.
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

    fn error_of(text: &str) -> String {
        Document::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_unreadable_file_is_reported_with_its_line_and_what_was_expected() {
        assert_eq!(
            error_of("region = x\n"),
            "line 1: expected a section such as [profile NAME] before the first setting"
        );
        assert_eq!(error_of("\n[profile a\n"), "line 2: expected a closing ] after the section's name");
        assert_eq!(
            error_of("[profile a]\n# fine\nregion\n"),
            "line 3: expected KEY = VALUE, a [section], or a # comment"
        );
        assert_eq!(error_of("[default]\n = x"), "line 2: expected a key before the =");
    }

    #[test]
    fn inline_comments_are_split_as_the_sdks_do() {
        assert_eq!(split_comment(" us-east-1 # home"), ("us-east-1", Some("# home".to_owned())));
        assert_eq!(split_comment(" us-east-1\t; home"), ("us-east-1", Some("; home".to_owned())));
        assert_eq!(split_comment(" https://x/#/"), ("https://x/#/", None));
        assert_eq!(split_comment(" # only"), ("", Some("# only".to_owned())));
    }

    #[test]
    fn headers_are_read_as_the_aws_tools_read_them() {
        let header = |text| parse_line(text, Position::BeforeSections).unwrap();
        let profile =
            |name: &str, spelling| LineKind::Header { section: Section::Profile(name.to_owned()), spelling };
        assert_eq!(header("[default]"), profile("default", HeaderSpelling::Default));
        assert_eq!(header("[profile default]"), profile("default", HeaderSpelling::Full));
        assert_eq!(header("[profile \"q w\"]"), profile("q w", HeaderSpelling::Full));
        assert_eq!(parse_section("sso-session\tmy-sso"), Section::SsoSession("my-sso".to_owned()));
        assert_eq!(parse_section("foo"), Section::Other("foo".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics_and_loses_no_byte(text in "(?s).{0,400}") {
            if let Ok(document) = Document::parse(&text) {
                let whole: String = document.lines.iter().map(|line| line.text).collect();
                proptest::prop_assert_eq!(whole, text.strip_prefix('\u{feff}').unwrap_or(&text));
            }
        }
    }
}
