//! Merges all sections of one name into a block, as the SDKs do.

use std::collections::BTreeMap;

use ssod_model::InvalidName;

use crate::document::{HeaderSpelling, LineKind, Setting};
use crate::{ConfigProblem, Document, ProblemKind, Section};

/// All sections of one name, merged.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) section: Section,
    pub(crate) line: usize,
    values: BTreeMap<String, Value>,
    /// The nested settings; the keys have the form `outer.inner`.
    nested: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
struct Value {
    line: usize,
    text: String,
}

impl Block {
    fn new(section: Section, line: usize) -> Self {
        Self { section, line, values: BTreeMap::new(), nested: BTreeMap::new() }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(crate) fn has_prefix(&self, prefix: &str) -> bool {
        self.values.keys().any(|key| key.starts_with(prefix))
    }

    /// Returns the value; an empty one counts as absent.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.text.as_str()).filter(|text| !text.is_empty())
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
pub(crate) struct BlockReader {
    pub(crate) blocks: Vec<Block>,
    /// Where the AWS CLI and the SDKs read the lines differently.
    pub(crate) problems: Vec<ConfigProblem>,
    /// Which block the next line belongs to; `None` above the first header.
    current: Option<usize>,
    /// The key that a nested line belongs to.
    outer: String,
    /// How the last header of the default profile is written.
    default_spelling: Option<HeaderSpelling>,
}

impl BlockReader {
    pub(crate) fn read(document: &Document<'_>) -> Self {
        let mut reader = Self::default();
        for (line, kind) in document.lines.iter().enumerate().map(|(index, line)| (index + 1, &line.kind)) {
            match kind {
                LineKind::Ignored => {}
                LineKind::Header { section, spelling } => reader.header(line, section, *spelling),
                LineKind::Setting(setting) => reader.setting(line, setting),
                LineKind::Nested { key, value } => reader.nested(key, value),
            }
        }
        reader
    }

    fn header(&mut self, line: usize, section: &Section, spelling: HeaderSpelling) {
        let known = self.blocks.iter().position(|block| block.section == *section);
        let previous_spelling = match section {
            Section::Profile(name) if name == "default" => self.default_spelling.replace(spelling),
            _ => None,
        };
        if known.is_some() && !matches!(section, Section::Other(_)) {
            self.problem(
                line,
                match previous_spelling {
                    Some(previous) if previous != spelling => ProblemKind::TwoDefaults,
                    _ => ProblemKind::DuplicateSection { header: section.header() },
                },
            );
        }
        self.current = Some(known.unwrap_or_else(|| {
            self.blocks.push(Block::new(section.clone(), line));
            self.blocks.len() - 1
        }));
    }

    fn setting(&mut self, line: usize, setting: &Setting) {
        let Some(block) = self.current.and_then(|at| self.blocks.get_mut(at)) else { return };
        self.outer.clone_from(&setting.key);
        let value = Value { line, text: setting.value.clone() };
        let replaced = block.values.insert(setting.key.clone(), value);
        let is_duplicate = replaced.is_some_and(|old| old.line > block.line);
        if !is_read_by_ssod(&setting.key) {
            return;
        }
        let key = &setting.key;
        if is_duplicate {
            self.problem(line, ProblemKind::DuplicateKey { key: key.clone() });
        }
        if let Some(comment) = setting.comment.clone() {
            self.problem(line, ProblemKind::InlineComment { key: key.clone(), comment });
        }
        if setting.value.len() > 1 && setting.value.starts_with(['"', '\'']) {
            self.problem(line, ProblemKind::QuotedValue { key: key.clone() });
        }
    }

    fn nested(&mut self, key: &str, value: &str) {
        if let Some(block) = self.current.and_then(|at| self.blocks.get_mut(at)) {
            block.nested.insert(format!("{}.{key}", self.outer), value.to_owned());
        }
    }

    fn problem(&mut self, line: usize, kind: ProblemKind) {
        self.problems.push(ConfigProblem { line, kind });
    }
}

/// Other keys belong to other tools, so ssod reports nothing about them.
fn is_read_by_ssod(key: &str) -> bool {
    key.starts_with("sso_") || key.starts_with("ssod_") || key == "region"
}
