//! Parses the file into lines, each with its kind and its exact text.
//!
//! The lines are read by the rules of Python's configparser as botocore uses it, because the AWS CLI and most tools
//! read the file with it: a line that is indented deeper than its setting continues the setting, `:` separates like
//! `=`, and a header ends at the last `]`. No line makes the whole file unusable: what cannot be parsed is preserved
//! and reported.

use std::borrow::Cow;
use std::fmt;

use crate::Section;

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

/// The meaning of one line. It borrows from the text: a copy of each part of each line would leave the heap of a daemon
/// that reads ten thousand profiles in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LineKind<'a> {
    /// Only whitespace.
    Blank,
    /// A comment on its own line.
    Comment,
    /// `[profile NAME]` and the like.
    Header(Header<'a>),
    /// `key = value`, the key in lower case.
    Setting(Setting<'a>),
    /// A line that is indented deeper than the setting above, without the whitespace around it.
    Continuation(&'a str),
    /// A line that no rule covers. It may belong to a tool that ssod does not know, so it is kept.
    Unknown(Expected),
}

/// The line that begins a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) section: Section,
    /// The text between the brackets, which is the section's name for configparser. One section has several spellings:
    /// `[default]` and `[profile default]`.
    pub(crate) name: &'a str,
    /// A comment with a `]` in it, which makes configparser read it as part of the name.
    pub(crate) comment: Option<&'a str>,
}

/// A `key = value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting<'a> {
    pub(crate) key: Cow<'a, str>,
    /// The whole text after the delimiter, without the whitespace around it. That is the value for configparser.
    pub(crate) raw: &'a str,
    /// `=` or `:`.
    pub(crate) delimiter: char,
}

impl<'a> Setting<'a> {
    /// Returns the value as the SDKs read it, without a comment.
    pub(crate) fn value(&self) -> &'a str {
        split_comment(self.raw).0
    }

    /// Returns the inline comment, which the AWS CLI would read as part of the value.
    pub(crate) fn comment(&self) -> Option<&'a str> {
        split_comment(self.raw).1
    }
}

/// A line with its exact text, line ending included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceLine<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: LineKind<'a>,
}

/// A parsed file that still has all its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// Whether the text begins with a byte-order mark, which belongs to no line.
    pub(crate) has_byte_order_mark: bool,
    pub(crate) lines: Vec<SourceLine<'a>>,
}

impl<'a> Document<'a> {
    /// Reads a whole file.
    pub fn parse(text: &'a str) -> Self {
        let without_mark = text.strip_prefix(BYTE_ORDER_MARK);
        let text = without_mark.unwrap_or(text);
        let mut reader = Reader::default();
        // The number is known before, because a list that grows leaves its earlier places on the heap.
        let mut lines = Vec::with_capacity(split_lines(text).count());
        lines.extend(split_lines(text).map(|text| SourceLine { text, kind: reader.read(text) }));
        Self { has_byte_order_mark: without_mark.is_some(), lines }
    }

    /// Returns whether the file has the section.
    pub fn has(&self, section: &Section) -> bool {
        self.lines.iter().any(|line| line.section() == Some(section))
    }
}

/// Some editors write it at the start of a file. The AWS CLI then refuses the file.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

impl SourceLine<'_> {
    /// Returns the section that the line begins.
    pub(crate) fn section(&self) -> Option<&Section> {
        match &self.kind {
            LineKind::Header(header) => Some(&header.section),
            _ => None,
        }
    }

    /// Returns the whitespace before the content.
    pub(crate) fn indent(&self) -> &str {
        let content = self.text.trim_start_matches(is_space);
        &self.text[..self.text.len() - content.len()]
    }
}

/// Splits `key = value` at its delimiter. configparser also takes a colon.
pub(crate) fn split_setting(content: &str) -> Option<(&str, char, &str)> {
    let (at, delimiter) = content.char_indices().find(|(_, character)| matches!(character, '=' | ':'))?;
    Some((trim(&content[..at]), delimiter, trim(&content[at + 1..])))
}

/// What the lines above mean for the next one.
#[derive(Default)]
struct Reader {
    has_section: bool,
    /// Whether a deeper line continues a setting.
    has_setting: bool,
    /// The characters before the last header or setting.
    indent: usize,
}

impl Reader {
    fn read<'a>(&mut self, line: &'a str) -> LineKind<'a> {
        let content = trim(line);
        if content.is_empty() {
            return LineKind::Blank;
        }
        if content.starts_with(['#', ';']) {
            return LineKind::Comment;
        }
        let indent = line.chars().take_while(|character| is_space(*character)).count();
        if self.has_setting && indent > self.indent {
            return LineKind::Continuation(content);
        }
        self.indent = indent;
        if let Some(header) = parse_header(content) {
            (self.has_section, self.has_setting) = (true, false);
            return LineKind::Header(header);
        }
        match split_setting(content) {
            Some((key, delimiter, value)) if self.has_section && !key.is_empty() => {
                self.has_setting = true;
                LineKind::Setting(Setting { key: lower_case(key), raw: value, delimiter })
            }
            // The lines below belong to a section without a readable name, not to the section above.
            _ if content.starts_with('[') => {
                (self.has_section, self.has_setting) = (true, false);
                LineKind::Unknown(Expected::ClosingBracket)
            }
            _ if !self.has_section => LineKind::Unknown(Expected::Section),
            Some(_) => {
                self.has_setting = false;
                LineKind::Unknown(Expected::Key)
            }
            None => LineKind::Unknown(Expected::Setting),
        }
    }
}

/// Returns the text in lower case, without a copy if it is plain already.
fn lower_case(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if text.bytes().all(is_plain) { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// Returns the header that the line is; `None` if it is none.
fn parse_header(content: &str) -> Option<Header<'_>> {
    let inside = content.strip_prefix('[')?;
    let name = &inside[..inside.rfind(']').filter(|end| *end > 0)?];
    // The SDKs remove a comment first. configparser does not, so a `]` in the comment ends the header.
    // Only the white space at the start is removed, because removing that at the end for each `]` is quadratic.
    let starts_comment = |text: &str| text.trim_start_matches(is_space).starts_with(['#', ';']);
    let commented = name.match_indices(']').find(|(at, _)| starts_comment(&name[at + 1..]));
    let (inner, comment) = match commented {
        Some((at, _)) => (&name[..at], Some(trim(&inside[at + 1..]))),
        None => (name, None),
    };
    Some(Header { section: parse_section(trim(inner)), name, comment })
}

/// Reads the text between a header's brackets.
fn parse_section(inside: &str) -> Section {
    let (kind, name) = inside.split_once(is_space).unwrap_or((inside, ""));
    let name = unquote(trim(name));
    match (kind, name.is_empty()) {
        ("default", true) => Section::Profile("default".to_owned()),
        ("profile", false) => Section::Profile(name),
        ("sso-session", false) => Section::SsoSession(name),
        ("services", false) => Section::Services(name),
        _ => Section::Other(inside.to_owned()),
    }
}

/// Removes the quotes of a name as the AWS CLI does, which splits the header by shell rules.
fn unquote(name: &str) -> String {
    let words = if name.contains(['"', '\'', '\\']) { shlex::split(name) } else { None };
    match words.as_deref() {
        Some([word]) => word.clone(),
        _ => name.to_owned(),
    }
}

/// Splits `value # comment` as the SDKs do: a comment starts at a `#` or `;` after whitespace.
fn split_comment(value: &str) -> (&str, Option<&str>) {
    let start = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find(|((_, before), mark)| before.is_whitespace() && matches!(mark, '#' | ';'))
        .map(|((at, before), _)| at + before.len_utf8());
    match start {
        Some(at) => (trim(&value[..at]), Some(trim(&value[at..]))),
        // A comment right after the delimiter: the whitespace before it is already removed.
        None if value.starts_with(['#', ';']) => ("", Some(value)),
        None => (value, None),
    }
}

/// Splits the text after each `\n`, `\r\n` and lone `\r`, as Python does.
fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end =
            rest.find(['\n', '\r']).map(|at| if rest[at..].starts_with("\r\n") { at + 2 } else { at + 1 });
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// Whether Python's `str.strip` removes the character.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<LineKind<'_>> {
        Document::parse(text).lines.into_iter().map(|line| line.kind).collect()
    }

    fn setting<'a>(key: &'a str, raw: &'a str) -> LineKind<'a> {
        LineKind::Setting(Setting { key: key.into(), raw, delimiter: '=' })
    }

    #[test]
    fn a_line_that_cannot_be_read_says_what_was_expected_and_the_rest_is_read() {
        let section = "a section such as [profile NAME] before the first setting";
        for (text, expected) in [
            ("region = x\n", section),
            ("[profile a\n", "a closing ] after the section's name"),
            ("[profile a]\nregion\n", "KEY = VALUE, a [section], or a # comment"),
            ("[default]\n = x", "a key before the ="),
            ("[default]\n: x", "a key before the ="),
        ] {
            let document = format!("{text}\n[profile b]\noutput = json\n");
            let kinds = kinds(&document);
            let unknown = kinds.iter().find_map(|kind| match kind {
                LineKind::Unknown(expected) => Some(expected.to_string()),
                _ => None,
            });
            assert_eq!(unknown.as_deref(), Some(expected), "{text:?}");
            assert_eq!(kinds.last(), Some(&setting("output", "json")), "{text:?}");
        }
    }

    #[test]
    fn indentation_is_relative_to_the_setting_above() {
        let continuation = LineKind::Continuation;
        assert_eq!(
            kinds("[a]\n  k = 1\n\n   # c\n   more\n  l = 2\n m = 3\n")[1..],
            [
                setting("k", "1"),
                LineKind::Blank,
                LineKind::Comment,
                continuation("more"),
                setting("l", "2"),
                setting("m", "3"),
            ]
        );
        // A header may be indented, too, unless it continues a setting.
        assert!(matches!(kinds("[a]\n  [b]\n  k = 1\n")[1], LineKind::Header(_)));
        assert_eq!(kinds("[a]\nk = 1\n  [b]\n")[2], continuation("[b]"));
    }

    #[test]
    fn a_setting_ends_at_the_first_equals_sign_or_colon() {
        let colon = LineKind::Setting(Setting { key: "k".into(), raw: "v = w", delimiter: ':' });
        assert_eq!(kinds("[a]\nK: v = w\n")[1], colon);
        assert_eq!(kinds("[a]\nk=v:w\n")[1], setting("k", "v:w"));
        // configparser reads a header that does not end as a setting if it has a delimiter.
        assert_eq!(kinds("[a]\n[b = c\n")[1], setting("[b", "c"));
    }

    #[test]
    fn lines_end_where_python_ends_them() {
        let texts: Vec<_> = split_lines("a\r\nb\rc\n\rd").collect();
        assert_eq!(texts, ["a\r\n", "b\r", "c\n", "\r", "d"]);
    }

    #[test]
    fn inline_comments_are_split_as_the_sdks_do() {
        assert_eq!(split_comment("us-east-1 # home"), ("us-east-1", Some("# home")));
        assert_eq!(split_comment("us-east-1\t; home"), ("us-east-1", Some("; home")));
        assert_eq!(split_comment("https://x/#/"), ("https://x/#/", None));
        assert_eq!(split_comment("# only"), ("", Some("# only")));
    }

    #[test]
    fn headers_are_read_as_the_aws_tools_read_them() {
        let section = |line: &str| parse_header(line).map(|header| header.section);
        let profile = |name: &str| Some(Section::Profile(name.to_owned()));
        assert_eq!(section("[default]"), profile("default"));
        assert_eq!(section("[profile default]"), profile("default"));
        assert_eq!(section("[profile \"q w\"]"), profile("q w"));
        assert_eq!(section("[profile q\\ w]"), profile("q w"));
        assert_eq!(section("[profile a-[b]/c]"), profile("a-[b]/c"));
        assert_eq!(section("[profile a] and [more"), profile("a"));
        assert_eq!(section("[profile a] # see [the] docs"), profile("a"));
        assert_eq!(section("[sso-session\tmy-sso]"), Some(Section::SsoSession("my-sso".to_owned())));
        assert_eq!(section("[foo]"), Some(Section::Other("foo".to_owned())));
        assert_eq!(section("[]"), None);
        assert_eq!(parse_header("[profile a] # see [the] docs").unwrap().name, "profile a] # see [the");
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics_and_loses_no_byte(text in "(?s).{0,400}") {
            let whole: String = Document::parse(&text).lines.iter().map(|line| line.text).collect();
            proptest::prop_assert_eq!(whole, text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text));
        }
    }
}
