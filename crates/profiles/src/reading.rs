//! What a whole file says, section by section, as Python's configparser and botocore read it. Edits are checked with
//! it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::document::{Expected, LineKind, is_space};
use crate::{Document, Section};

/// The sections of a file in their order; the first one has the lines above the first header.
pub(crate) struct Reading<'a> {
    pub(crate) sections: Vec<SectionReading<'a>>,
    /// Why Python's tools, such as the AWS CLI, refuse the file.
    pub(crate) refusal: Option<Refusal>,
}

/// One section.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SectionReading<'a> {
    /// `None` for lines above the first header, or below a header that does not end.
    pub(crate) section: Option<&'a Section>,
    /// The text between the brackets.
    pub(crate) name: &'a str,
    /// The last value of each key, with the lines that continue it.
    pub(crate) values: BTreeMap<&'a str, String>,
    /// Lines that cannot be read.
    unknown: Vec<&'a str>,
}

/// Why Python's tools refuse a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: RefusalReason,
}

/// What Python's tools cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// A byte-order mark.
    ByteOrderMark,
    /// A line that is nothing.
    Unreadable(Expected),
    /// A section that the file already has.
    DuplicateSection,
    /// A key that the section already has.
    DuplicateKey,
    /// A line without `=` below a key without a value.
    Nested,
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => formatter.write_str("a byte-order mark"),
            Self::Unreadable(expected) => write!(formatter, "expected {expected}"),
            Self::DuplicateSection => formatter.write_str("a second section of that name"),
            Self::DuplicateKey => formatter.write_str("a second key of that name"),
            Self::Nested => formatter.write_str("expected KEY = VALUE below a key without a value"),
        }
    }
}

impl<'a> Reading<'a> {
    pub(crate) fn of(document: &'a Document<'_>) -> Self {
        let mut reader = Reader::default();
        if document.has_byte_order_mark {
            reader.refuse(1, RefusalReason::ByteOrderMark);
        }
        for (line, source) in document.lines.iter().enumerate().map(|(index, line)| (index + 1, line)) {
            reader.line = line;
            match &source.kind {
                LineKind::Blank => reader.continuation(""),
                LineKind::Comment => {}
                LineKind::Header(header) => reader.header(Some(&header.section), header.name),
                LineKind::Setting(setting) => reader.setting(&setting.key, setting.raw),
                LineKind::Continuation(content) => reader.continuation(content),
                LineKind::Unknown(expected) => reader.unknown(*expected, source.text.trim_matches(is_space)),
            }
        }
        reader.end_setting();
        reader.sections.push(reader.current);
        Self { sections: reader.sections, refusal: reader.refusal }
    }
}

#[derive(Default)]
struct Reader<'a> {
    line: usize,
    sections: Vec<SectionReading<'a>>,
    current: SectionReading<'a>,
    /// The last setting: its key and its value so far.
    setting: Option<(&'a str, String)>,
    names: HashSet<&'a str>,
    refusal: Option<Refusal>,
}

impl<'a> Reader<'a> {
    fn header(&mut self, section: Option<&'a Section>, name: &'a str) {
        self.end_setting();
        let next = SectionReading { section, name, ..SectionReading::default() };
        self.sections.push(std::mem::replace(&mut self.current, next));
        // configparser adds to a second [DEFAULT].
        if section.is_some() && !self.names.insert(name) && name != "DEFAULT" {
            self.refuse(self.line, RefusalReason::DuplicateSection);
        }
    }

    fn setting(&mut self, key: &'a str, raw: &str) {
        self.end_setting();
        if self.current.values.contains_key(key) {
            self.refuse(self.line, RefusalReason::DuplicateKey);
        }
        self.setting = Some((key, raw.to_owned()));
        self.current.values.insert(key, String::new());
    }

    fn continuation(&mut self, content: &str) {
        if let Some((_, value)) = &mut self.setting {
            value.push('\n');
            value.push_str(content);
        }
    }

    fn unknown(&mut self, expected: Expected, text: &'a str) {
        self.refuse(self.line, RefusalReason::Unreadable(expected));
        self.end_setting();
        if expected == Expected::ClosingBracket {
            self.header(None, text);
        } else {
            self.current.unknown.push(text);
        }
    }

    fn end_setting(&mut self) {
        let Some((key, mut value)) = self.setting.take() else { return };
        value.truncate(value.trim_end_matches(is_space).len());
        // botocore parses the lines below a key without a value, and needs a `=` in each of them.
        let lines = value.strip_prefix('\n').map(|lines| lines.split(is_line_end)).into_iter().flatten();
        if lines.map(str::trim).any(|line| !line.is_empty() && !line.contains('=')) {
            self.refuse(self.line.saturating_sub(1).max(1), RefusalReason::Nested);
        }
        self.current.values.insert(key, value);
    }

    fn refuse(&mut self, line: usize, reason: RefusalReason) {
        self.refusal.get_or_insert(Refusal { line, reason });
    }
}

/// Where Python's `splitlines` ends a line, which is not only at a newline.
fn is_line_end(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

#[cfg(test)]
mod tests;
