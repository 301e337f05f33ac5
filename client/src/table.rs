//! Columns that a person reads and a program can cut: no lines, two spaces between.

use std::fmt;

use console::{Alignment, measure_text_width, pad_str};

/// Rows of the same width; without a row it prints nothing.
pub(crate) struct Table<const COLUMNS: usize> {
    header: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(header: [&'static str; COLUMNS]) -> Self {
        Self { header, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let header = self.header.map(str::to_owned);
        let rows = || std::iter::once(&header).chain(&self.rows);
        let widths: Vec<usize> = (0..COLUMNS)
            .map(|column| rows().map(|row| measure_text_width(&row[column])).max().unwrap_or_default())
            .collect();
        for row in rows() {
            let cells =
                row.iter().zip(&widths).map(|(cell, width)| pad_str(cell, *width, Alignment::Left, None));
            let line = cells.collect::<Vec<_>>().join("  ");
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_count_as_width() {
        let mut table = Table::new(["A", "B"]);
        table.row(["\x1b[32mok\x1b[0m".into(), "1".into()]);
        table.row(["long".into(), String::new()]);
        assert_eq!(table.to_string(), "A     B\n\x1b[32mok\x1b[0m    1\nlong\n");
    }
}
