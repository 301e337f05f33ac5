//! `config.toml` as tables of settings. The settings that are read are the known ones; every other one is a mistake.

use std::collections::BTreeSet;
use std::rc::Rc;

use ssod_model::similar_names;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::mistake::{Lines, Mistake, did_you_mean, join, quote};
use super::value::{WrongValue, describe};

/// A setting that no table has read yet, or an unknown table.
pub(super) struct Entry<'t> {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) value: Spanned<DeValue<'t>>,
}

/// The tables of a file that is valid TOML.
pub(super) struct SettingsFile<'t> {
    lines: Rc<Lines>,
    tables: Vec<Entry<'t>>,
    known: Vec<KnownTable>,
    /// The settings that no table knows, with their tables.
    unknown: Vec<(&'static str, Entry<'t>)>,
    mistakes: Vec<Mistake>,
}

/// The mistakes of a file.
pub(super) struct Mistakes {
    /// The first one.
    pub(super) first: Option<Mistake>,
    /// The lines of all of them.
    pub(super) lines: BTreeSet<usize>,
}

struct KnownTable {
    name: &'static str,
    settings: Vec<&'static str>,
}

impl<'t> SettingsFile<'t> {
    /// Parses the text; fails if it is not TOML.
    pub(super) fn parse(text: &'t str) -> Result<Self, Error> {
        let root = parse(text)?.into_inner();
        let lines = Rc::new(Lines::of(text));
        let tables = entries(&lines, root);
        Ok(Self { lines, tables, known: Vec::new(), unknown: Vec::new(), mistakes: Vec::new() })
    }

    /// Reads the table of that name, which is empty if the file does not have it.
    pub(super) fn table<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Table<'t>) -> T) -> T {
        let mut table = Table {
            name,
            lines: self.lines.clone(),
            entries: self.take_table(name),
            settings: Vec::new(),
            mistakes: Vec::new(),
        };
        let value = read(&mut table);
        let Table { entries, settings, mistakes, .. } = table;
        self.unknown.extend(entries.into_iter().map(|entry| (name, entry)));
        self.known.push(KnownTable { name, settings });
        self.mistakes.extend(mistakes);
        value
    }

    /// Returns the mistakes, after every known table was read. Only the first one is put into words, because looking
    /// for similar names takes long if thousands are unknown.
    pub(super) fn finish(self) -> Mistakes {
        let tables = self.tables.iter().map(|entry| entry.line);
        let settings = self.unknown.iter().map(|(_, entry)| entry.line);
        let others = self.mistakes.iter().map(|mistake| mistake.line);
        let lines: BTreeSet<usize> = tables.chain(settings).chain(others).collect();
        let first = lines.first().and_then(|line| self.first_mistake(*line));
        Mistakes { first, lines }
    }

    fn first_mistake(&self, line: usize) -> Option<Mistake> {
        if let Some(table) = self.tables.iter().find(|entry| entry.line == line) {
            return Some(self.unknown_table(table));
        }
        if let Some((table, setting)) = self.unknown.iter().find(|(_, entry)| entry.line == line) {
            return Some(self.unknown_setting(table, setting));
        }
        self.mistakes.iter().find(|mistake| mistake.line == line).cloned()
    }

    fn take_table(&mut self, name: &'static str) -> Vec<Entry<'t>> {
        let mut found = Vec::new();
        for entry in self.tables.extract_if(.., |entry| entry.name == name) {
            let line = entry.line;
            match entry.value.into_inner() {
                DeValue::Table(table) => found.extend(entries(&self.lines, table)),
                DeValue::Array(_) => {
                    let message = format!("a table has one pair of brackets around its name: [{name}]");
                    let advice = did_you_mean(&[format!("[{name}]")]);
                    self.mistakes.push(Mistake::new(line, message, advice));
                }
                value => {
                    let message = format!(
                        "{name} is {}, but must be a table: a line [{name}], and its settings in the lines below",
                        describe(&value)
                    );
                    self.mistakes.push(Mistake::new(line, message, None));
                }
            }
        }
        found
    }

    fn unknown_table(&self, entry: &Entry<'_>) -> Mistake {
        let name = entry.name.as_str();
        if !matches!(entry.value.get_ref(), DeValue::Table(_) | DeValue::Array(_)) {
            let message = format!(
                "{} is above all tables, but a setting belongs below the line of its table, such as [endpoint]",
                quote(name)
            );
            return Mistake::new(entry.line, message, self.elsewhere(name));
        }
        let bracketed = |name: &str| format!("[{name}]");
        let tables: Vec<String> = self.known.iter().map(|table| bracketed(table.name)).collect();
        let similar = similar_names(name, self.known.iter().map(|table| table.name));
        let similar: Vec<String> = similar.into_iter().map(bracketed).collect();
        let message = format!("there is no table {}; the tables are {}", quote(name), join(&tables, "and"));
        Mistake::new(entry.line, message, did_you_mean(&similar))
    }

    fn unknown_setting(&self, table: &str, entry: &Entry<'_>) -> Mistake {
        let name = entry.name.as_str();
        let known = self.known.iter().find(|known| known.name == table);
        let settings = known.map_or(&[][..], |known| known.settings.as_slice());
        let similar: Vec<String> =
            similar_names(name, settings.iter().copied()).into_iter().map(str::to_owned).collect();
        let has = if settings.len() == 1 { "the only one is" } else { "they are" };
        let message = format!(
            "{} is not one of the settings of [{table}]; {has} {}",
            quote(name),
            join(settings, "and")
        );
        Mistake::new(entry.line, message, did_you_mean(&similar).or_else(|| self.elsewhere(name)))
    }

    /// Returns the tables that have a setting of that name, as a question.
    fn elsewhere(&self, name: &str) -> Option<String> {
        let settings = || self.known.iter().flat_map(|table| table.settings.iter().copied());
        let [setting] = similar_names(name, settings())[..] else { return None };
        let tables = self.known.iter().filter(|table| table.settings.contains(&setting));
        let tables: Vec<String> = tables.map(|table| format!("[{}]", table.name)).collect();
        did_you_mean(&[format!("{setting} under {}", join(&tables, "or"))])
    }
}

/// One table while it is read.
pub(super) struct Table<'t> {
    name: &'static str,
    lines: Rc<Lines>,
    entries: Vec<Entry<'t>>,
    settings: Vec<&'static str>,
    mistakes: Vec<Mistake>,
}

impl<'t> Table<'t> {
    /// Reads the setting of that name, or returns the default.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, WrongValue>,
    ) -> T {
        let Some(entry) = self.take(name) else { return default };
        match read(entry.value.get_ref()) {
            Ok(value) => value,
            Err(wrong) => {
                self.reject(entry.line, &format!("{name} under [{}]", self.name), name, &wrong);
                default
            }
        }
    }

    /// Returns the line of the setting of that name, before it is read.
    pub(super) fn line_of(&self, name: &str) -> Option<usize> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| entry.line)
    }

    /// Takes the setting of that name, whose value has lines of its own.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Entry<'t>> {
        self.settings.push(name);
        self.entries.extract_if(.., |entry| entry.name == name).next()
    }

    /// Adds the mistake that `what`, whose key is `key`, has a wrong value.
    pub(super) fn reject(&mut self, line: usize, what: &str, key: &str, wrong: &WrongValue) {
        let WrongValue { is, expected, example, meant } = wrong;
        let message = format!("{what} is {is}, but must be {expected}, such as {key} = {example}");
        let meant: Vec<String> = meant.iter().map(|value| format!("{key} = {value}")).collect();
        self.add(Mistake::new(line, message, did_you_mean(&meant)));
    }

    /// Adds a mistake.
    pub(super) fn add(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// Returns the entries of a table inside this table.
    pub(super) fn entries(&self, table: DeTable<'t>) -> Vec<Entry<'t>> {
        entries(&self.lines, table)
    }

    /// Returns the line of a byte of the file.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.lines.line_at(offset)
    }
}

fn entries<'t>(lines: &Lines, table: DeTable<'t>) -> Vec<Entry<'t>> {
    let entries = table.into_iter().map(|(name, value)| Entry {
        line: lines.line_at(name.span().start),
        name: name.into_inner().into_owned(),
        value,
    });
    let mut entries: Vec<Entry<'t>> = entries.collect();
    entries.sort_by_key(|entry| entry.line);
    entries
}

/// Parses a text as TOML.
pub(super) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Error> {
    #[cfg(test)]
    counting::PARSED_BYTES.with(|bytes| bytes.set(bytes.get() + text.len()));
    DeTable::parse(text)
}

/// Counts the work of the parser.
#[cfg(test)]
pub(super) mod counting {
    use std::cell::Cell;

    thread_local! {
        pub(in crate::config::settings) static PARSED_BYTES: Cell<usize> = const { Cell::new(0) };
    }
}
