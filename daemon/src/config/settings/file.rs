//! `config.toml` as tables of settings. The settings that are read are the known ones; every other one is a mistake.

use ssod_model::similar_names;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::mistake::{Mistake, did_you_mean, join, line_at, quote};
use super::value::{WrongValue, describe};

/// A setting that no table has read yet, or an unknown table.
pub(super) struct Entry<'t> {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) value: Spanned<DeValue<'t>>,
}

/// The tables of a file that is valid TOML.
pub(super) struct SettingsFile<'t> {
    text: &'t str,
    tables: Vec<Entry<'t>>,
    known: Vec<KnownTable>,
    /// The settings that no table knows, with their tables.
    unknown: Vec<(&'static str, Entry<'t>)>,
    mistakes: Vec<Mistake>,
}

struct KnownTable {
    name: &'static str,
    settings: Vec<&'static str>,
}

impl<'t> SettingsFile<'t> {
    /// Parses the text; fails if it is not TOML.
    pub(super) fn parse(text: &'t str) -> Result<Self, Error> {
        let root = DeTable::parse(text)?.into_inner();
        let tables = entries(text, root);
        Ok(Self { text, tables, known: Vec::new(), unknown: Vec::new(), mistakes: Vec::new() })
    }

    /// Reads the table of that name, which is empty if the file does not have it.
    pub(super) fn table<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Table<'t>) -> T) -> T {
        let mut table = Table {
            name,
            text: self.text,
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

    /// Returns all mistakes, after every known table was read, in the order of their lines.
    pub(super) fn finish(self) -> Vec<Mistake> {
        let tables = self.tables.iter().map(|entry| self.unknown_table(entry));
        let settings = self.unknown.iter().map(|(table, entry)| self.unknown_setting(table, entry));
        let mut mistakes: Vec<Mistake> =
            tables.chain(settings).chain(self.mistakes.iter().cloned()).collect();
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes
    }

    fn take_table(&mut self, name: &'static str) -> Vec<Entry<'t>> {
        let mut found = Vec::new();
        for entry in self.tables.extract_if(.., |entry| entry.name == name) {
            let line = entry.line;
            match entry.value.into_inner() {
                DeValue::Table(table) => found.extend(entries(self.text, table)),
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
    text: &'t str,
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
        entries(self.text, table)
    }

    /// Returns the line of a byte of the file.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        line_at(self.text, offset)
    }
}

fn entries<'t>(text: &str, table: DeTable<'t>) -> Vec<Entry<'t>> {
    let entries = table.into_iter().map(|(name, value)| Entry {
        line: line_at(text, name.span().start),
        name: name.into_inner().into_owned(),
        value,
    });
    let mut entries: Vec<Entry<'t>> = entries.collect();
    entries.sort_by_key(|entry| entry.line);
    entries
}
