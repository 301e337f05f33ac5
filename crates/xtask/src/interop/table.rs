//! The generated tables: between two markers of a Markdown file, one row for each client.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A table of a Markdown file. Its first column names the client, and its second is the client's version.
pub(super) struct Table {
    before: String,
    header: Vec<String>,
    rows: Vec<Row>,
    after: String,
}

/// The cells of a row.
pub(super) type Row = Vec<String>;

const BEGIN: &str = "<!-- begin of the table that `cargo xtask interop` generates -->\n";
const END: &str = "<!-- end of the table that `cargo xtask interop` generates -->\n";

impl Table {
    /// Reads the table from the text of a file. The header is that of a new table.
    pub(super) fn parse(text: &str, header: &[&str]) -> Result<Self> {
        let (before, rest) =
            text.split_once(BEGIN).context("the file lacks the marker of the table's begin")?;
        let (table, after) = rest.split_once(END).context("the file lacks the marker of the table's end")?;
        let rows = table.lines().skip(2).map(cells).collect();
        let header = header.iter().map(|title| (*title).to_owned()).collect();
        Ok(Self { before: before.to_owned(), header, rows, after: after.to_owned() })
    }

    /// Replaces the rows of the clients that were measured, and sorts all rows in the order of these names. Rows of
    /// other names are removed.
    pub(super) fn update(&mut self, measured: &[Row], names: &[&str]) {
        let of = |rows: &[Row], name: &str| {
            rows.iter().find(|row| row.first().is_some_and(|own| own == name)).cloned()
        };
        let rows = names.iter().filter_map(|name| of(measured, name).or_else(|| of(&self.rows, name)));
        self.rows = rows.collect();
    }

    /// Returns the whole file.
    pub(super) fn text(&self) -> String {
        let titles = line(&self.header);
        let rule = "|---".repeat(self.header.len());
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{BEGIN}{titles}{rule}|\n{rows}{END}{}", self.before, self.after)
    }
}

fn cells(line: &str) -> Row {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn line(cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("| {cell} ").replace("|  ", "| ")).collect();
    format!("{cells}|\n")
}

/// Writes the measured rows into the file's table.
#[expect(clippy::disallowed_methods, reason = "if a file of the repository is lost, git has it")]
pub(super) fn write(file: &Path, header: &[&str], measured: &[Row], names: &[&str]) -> Result<()> {
    let mut table = Table::parse(&read(file)?, header)?;
    table.update(measured, names);
    Ok(std::fs::write(file, table.text())?)
}

/// Fails if the file's table is not what was measured. Where a machine's own version is measured, it may differ.
pub(super) fn compare(
    file: &Path,
    header: &[&str],
    measured: &[Row],
    names: &[&str],
    own_version: &[&str],
) -> Result<()> {
    let text = read(file)?;
    let recorded = Table::parse(&text, header)?;
    let measured: Vec<Row> =
        measured.iter().map(|row| with_recorded_version(row, &recorded.rows, own_version)).collect();
    let mut updated = Table::parse(&text, header)?;
    updated.update(&measured, names);
    let updated = updated.text();
    let missing: Vec<&str> = updated.lines().filter(|line| !text.contains(line)).collect();
    ensure!(
        updated == text,
        "the table in {} is not what was measured. Run cargo xtask interop, and commit the table if the change is \
         right. New lines:\n{}",
        file.display(),
        missing.join("\n")
    );
    Ok(())
}

fn with_recorded_version(row: &Row, recorded: &[Row], own_version: &[&str]) -> Row {
    let mut row = row.clone();
    if row.first().is_some_and(|name| own_version.contains(&name.as_str()))
        && let Some(version) =
            recorded.iter().find(|known| known.first() == row.first()).and_then(|known| known.get(1))
        && let Some(measured) = row.get_mut(1)
    {
        measured.clone_from(version);
    }
    row
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [&str; 3] = ["client", "version", "works"];

    fn row(cells: &[&str]) -> Row {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    fn file(rows: &[Row]) -> String {
        let mut table = Table::parse(&format!("before\n{BEGIN}{END}after\n"), &HEADER).unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        table.update(rows, &names);
        table.text()
    }

    fn compared(text: &str, measured: &[Row], own_version: &[&str]) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("README.md");
        #[expect(clippy::disallowed_methods, reason = "a test's file need not survive a crash")]
        std::fs::write(&path, text).unwrap();
        compare(&path, &HEADER, measured, &["a", "b"], own_version)
    }

    #[test]
    fn rows_are_replaced_and_the_rest_of_the_file_is_kept() {
        let text = file(&[row(&["a", "1", "yes"]), row(&["b", "2", ""]), row(&["gone", "3", "no"])]);
        let mut table = Table::parse(&text, &HEADER).unwrap();
        table.update(&[row(&["b", "3", "no"])], &["b", "a"]);
        let expected = "| client | version | works |\n|---|---|---|\n| b | 3 | no |\n| a | 1 | yes |\n";
        assert_eq!(table.text(), format!("before\n{BEGIN}{expected}{END}after\n"));
    }

    #[test]
    fn a_measured_row_that_differs_from_the_file_is_an_error() {
        let text = file(&[row(&["a", "1", "yes"]), row(&["b", "2", "no"])]);
        compared(&text, &[row(&["a", "1", "yes"])], &[]).unwrap();
        compared(&text, &[row(&["a", "1", "no"])], &[]).unwrap_err();
        compared(&text, &[row(&["b", "2", "yes"])], &[]).unwrap_err();
        compared(&text, &[row(&["a", "7", "yes"])], &[]).unwrap_err();
        compared(&text, &[row(&["a", "7", "yes"])], &["a"]).unwrap();
        compared(&text, &[row(&["a", "7", "no"])], &["a"]).unwrap_err();
    }

    #[test]
    fn a_row_of_no_client_is_an_error() {
        let text = file(&[row(&["a", "1", "yes"]), row(&["gone", "2", "no"])]);
        compared(&text, &[], &[]).unwrap_err();
    }
}
