//! Tables in plain text: columns are separated by two spaces and have no borders, so that programs can split them.

use std::fmt;

use console::{Alignment, Term, measure_text_width, pad_str};

use crate::terminal;

/// Rows with the same number of columns. A table without rows prints nothing.
pub(crate) struct Table<const COLUMNS: usize> {
    header: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
    droppable: &'static [usize],
    /// The terminal's width; `None` if stdout is not a terminal.
    width: Option<usize>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(header: [&'static str; COLUMNS]) -> Self {
        let terminal = Term::stdout();
        let width = terminal.is_term().then(|| usize::from(terminal.size().1));
        Self { header, rows: Vec::new(), droppable: &[], width }
    }

    /// Sets the columns that a narrow terminal does not show, the first one to be left out first.
    pub(crate) fn dropping(self, droppable: &'static [usize]) -> Self {
        Self { droppable, ..self }
    }

    pub(crate) fn row(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row.map(|cell| terminal::one_line(&cell)));
    }

    /// Returns the indices of the columns that fit, with their widths.
    fn columns(&self) -> Vec<(usize, usize)> {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| measure_text_width(&row[column]));
            cells.max().unwrap_or_default().max(measure_text_width(self.header[column]))
        };
        let mut columns: Vec<_> = (0..COLUMNS).map(|column| (column, width(column))).collect();
        let mut droppable = self.droppable.iter();
        while self
            .width
            .is_some_and(|width| columns.iter().map(|(_, width)| width + 2).sum::<usize>() > width + 2)
        {
            let Some(dropped) = droppable.next() else { break };
            columns.retain(|(column, _)| column != dropped);
        }
        columns
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let header = self.header.map(str::to_owned);
        let columns = self.columns();
        for row in std::iter::once(&header).chain(&self.rows) {
            let cells =
                columns.iter().map(|(column, width)| pad_str(&row[*column], *width, Alignment::Left, None));
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
        let styled = terminal::black_on_white("ok");
        table.row([styled.clone(), "1".into()]);
        table.row(["long".into(), "a\nb".into()]);
        table.width = None;
        assert_eq!(table.to_string(), format!("A     B\n{styled}    1\nlong  a?b\n"));
    }

    #[test]
    fn a_narrow_terminal_loses_the_least_important_columns() {
        let mut table = Table::new(["NAME", "DETAIL", "STATE"]).dropping(&[1]);
        table.row(["a".into(), "many details".into(), "ready".into()]);
        table.width = Some(12);
        assert_eq!(table.to_string(), "NAME  STATE\na     ready\n");
        table.width = Some(80);
        assert!(table.to_string().contains("many details"));
    }
}
