//! Merges all sections of one name into a block, as the AWS tools do.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use ssod_model::InvalidName;

use crate::document::{Expected, Header, LineKind, Setting};
use crate::{ConfigProblem, Document, ProblemKind, Section};

/// No key that ssod reads is longer. Lines below a longer key are ignored: a copy of the key for each of them would
/// make the work quadratic.
const MAX_KEY_BYTES: usize = 128;
/// A longer nested value, such as a URL, is ignored, because each profile that names the section gets a copy of it.
const MAX_NESTED_BYTES: usize = 4096;

/// All sections of one name, merged.
#[derive(Clone, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) section: &'a Section,
    pub(crate) line: usize,
    values: BTreeMap<&'a str, Value<'a>>,
    /// The nested settings; the keys have the form `outer.inner`.
    nested: BTreeMap<String, String>,
    /// The last spelling of its header.
    name: &'a str,
}

#[derive(Clone, Debug)]
struct Value<'a> {
    line: usize,
    /// Owned if it has several lines.
    text: Cow<'a, str>,
}

impl<'a> Block<'a> {
    fn new(header: &'a Header<'_>, line: usize) -> Self {
        let (section, name) = (&header.section, header.name);
        Self { section, line, values: BTreeMap::new(), nested: BTreeMap::new(), name }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(crate) fn has_prefix(&self, prefix: &str) -> bool {
        self.values.range(prefix..).next().is_some_and(|(key, _)| key.starts_with(prefix))
    }

    /// Returns the value; an empty one counts as absent.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| &*value.text).filter(|text| !text.is_empty())
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.text(key).map(|text| text.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn nested(&self, outer: &str, inner: &str) -> Option<&str> {
        self.nested.get(&format!("{outer}.{inner}")).map(String::as_str)
    }

    /// Returns the line of the key, or the section's if it has no such key.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        self.values.get(key).map_or(self.line, |value| value.line)
    }

    /// Turns a value that is not valid into a problem at its line.
    pub(crate) fn invalid(&self, key: &str) -> impl Fn(InvalidName) -> ConfigProblem + use<> {
        let line = self.line_of(key);
        move |error| ConfigProblem { line, kind: ProblemKind::InvalidName(error) }
    }
}

/// Merges the lines of a file into blocks, in the order of their first headers.
#[derive(Default)]
pub(crate) struct BlockReader<'a> {
    pub(crate) blocks: Vec<Block<'a>>,
    /// What an AWS tool cannot read, or reads differently.
    pub(crate) problems: Vec<ConfigProblem>,
    /// The block of each section, so that a large file costs one look-up per header.
    by_section: HashMap<&'a Section, usize>,
    /// Which block the next line belongs to; `None` above the first header.
    current: Option<usize>,
    /// The key of the last setting, which the next continuation belongs to, and whether its value is on the lines
    /// below. Empty if the key is too long.
    outer: &'a str,
    is_nested: bool,
    has_indented_key: bool,
}

impl<'a> BlockReader<'a> {
    pub(crate) fn read(document: &'a Document<'_>) -> Self {
        let mut reader = Self::default();
        if document.has_byte_order_mark {
            reader.problem(1, ProblemKind::ByteOrderMark);
        }
        for (line, source) in document.lines.iter().enumerate().map(|(index, line)| (index + 1, line)) {
            match &source.kind {
                LineKind::Blank | LineKind::Comment => {}
                LineKind::Header(header) => reader.header(line, header),
                LineKind::Setting(setting) => reader.setting(line, setting, source.indent()),
                LineKind::Continuation(content) => reader.continuation(line, content),
                LineKind::Unknown(expected) => reader.unknown(line, *expected),
            }
        }
        reader
    }

    fn header(&mut self, line: usize, header: &'a Header<'_>) {
        if let Some(comment) = header.comment.map(str::to_owned) {
            self.problem(line, ProblemKind::HeaderComment { comment });
        }
        let known = self.by_section.get(&header.section).copied();
        let index = known.unwrap_or(self.blocks.len());
        self.current = Some(index);
        match self.blocks.get_mut(index) {
            None => {
                self.by_section.insert(&header.section, index);
                self.blocks.push(Block::new(header, line));
            }
            Some(block) if block.name == header.name => {
                // configparser adds to a second [DEFAULT].
                if header.name != "DEFAULT" {
                    let header = format!("[{}]", header.name);
                    self.problem(line, ProblemKind::DuplicateSection { header });
                }
            }
            Some(block) => {
                let first = std::mem::replace(block, Block::new(header, line)).name.to_owned();
                self.problem(line, ProblemKind::TwoSpellings { first, second: header.name.to_owned() });
            }
        }
    }

    fn setting(&mut self, line: usize, setting: &'a Setting<'_>, indent: &str) {
        let Some(block) = self.current.and_then(|at| self.blocks.get_mut(at)) else { return };
        self.outer = if setting.key.len() <= MAX_KEY_BYTES { &setting.key } else { "" };
        self.is_nested = setting.value().is_empty();
        let value = Value { line, text: setting.value().into() };
        let key: &str = &setting.key;
        let is_duplicate = block.values.insert(key, value).is_some();
        if is_duplicate {
            self.problem(line, ProblemKind::DuplicateKey { key: key.to_owned() });
        }
        if !is_read_by_ssod(key) {
            return;
        }
        if let Some(comment) = setting.comment() {
            self.problem(
                line,
                ProblemKind::InlineComment { key: key.to_owned(), comment: comment.to_owned() },
            );
        }
        if setting.raw.len() > 1 && setting.raw.starts_with(['"', '\'']) {
            self.problem(line, ProblemKind::QuotedValue { key: key.to_owned() });
        }
        if setting.delimiter == ':' {
            self.problem(line, ProblemKind::Colon { key: key.to_owned() });
        }
        // Once is enough: such files often indent every key.
        if !indent.is_empty() && !std::mem::replace(&mut self.has_indented_key, true) {
            self.problem(line, ProblemKind::IndentedKey { key: key.to_owned() });
        }
    }

    fn continuation(&mut self, line: usize, content: &str) {
        let Some(block) = self.current.and_then(|at| self.blocks.get_mut(at)) else { return };
        let Some(outer) = block.values.get_mut(self.outer) else { return };
        let text = outer.text.to_mut();
        text.push('\n');
        text.push_str(content);
        // botocore splits these lines at `=` only.
        let (key, value) = content.split_once('=').unwrap_or((content, ""));
        let (key, value) = (key.trim(), value.trim());
        if key.len() <= MAX_KEY_BYTES && value.len() <= MAX_NESTED_BYTES {
            block.nested.insert(format!("{}.{}", self.outer, key.to_lowercase()), value.to_owned());
        }
        if !self.is_nested && is_read_by_ssod(self.outer) {
            let key = self.outer.to_owned();
            self.problem(line, ProblemKind::Continuation { key });
        }
    }

    fn unknown(&mut self, line: usize, expected: Expected) {
        if expected == Expected::ClosingBracket {
            self.current = None;
        }
        self.problem(line, ProblemKind::Unreadable(expected));
    }

    fn problem(&mut self, line: usize, kind: ProblemKind) {
        self.problems.push(ConfigProblem { line, kind });
    }
}

/// Other keys belong to other tools, so ssod reports nothing about how they are written.
fn is_read_by_ssod(key: &str) -> bool {
    key.starts_with("sso_") || key.starts_with("ssod_") || key == "region"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the bytes that are stored for a file: a work that grows faster than the file would store more and more.
    fn stored_bytes(text: &str) -> usize {
        let document = Document::parse(text);
        let reader = BlockReader::read(&document);
        let blocks = reader.blocks.iter().map(|block| {
            let values = block.values.iter().map(|(key, value)| key.len() + value.text.len());
            let nested = block.nested.iter().map(|(key, value)| key.len() + value.len());
            block.name.len() + values.sum::<usize>() + nested.sum::<usize>()
        });
        let problems = reader.problems.iter().map(|problem| problem.to_string().len());
        blocks.sum::<usize>() + problems.sum::<usize>()
    }

    #[test]
    fn no_file_stores_more_than_a_multiple_of_its_size() {
        let long_key =
            format!("[profile a]\nssod_{} = x\n{}", "k".repeat(50_000), "  n = 1\n".repeat(10_000));
        let distinct: String = (0..10_000).map(|number| format!("  n{number} = 1\n")).collect();
        let nested = format!("[services s]\n{} =\n{distinct}", "o".repeat(50_000));
        let repeated = format!("[profile a]\n{}", "region = x\n".repeat(10_000));
        let headers = "[profile a]\n".repeat(10_000);
        let one_value = format!("[profile a]\nregion = {}\n", "v".repeat(100_000));
        for text in [long_key, nested, repeated, headers, one_value] {
            let stored = stored_bytes(&text);
            assert!(stored <= 20 * text.len(), "{stored} for {} bytes: {}", text.len(), &text[..40]);
        }
    }
}
