//! The table as Markdown.

use super::quantity::{Samples, Unit};
use super::{Baseline, Bound, Comparison, Goal, Row, Table, Verdict};

const HEADINGS: [&str; 6] =
    ["measure", "measured", "baseline", "ratio or figure", "goal (stretch)", "verdict"];

impl Table {
    /// Returns the machine, the date, the table and the notes.
    pub(in crate::bench) fn markdown(&self) -> String {
        let rows: Vec<&Row> = self.rows.iter().collect();
        let notes: String = self.notes.iter().map(|note| format!("\n- {note}")).collect();
        let notes = if notes.is_empty() { notes } else { format!("\n{notes}\n") };
        format!(
            "Measured on {} on this machine: {}.\n\n\
             Each value is a median, with the least and the greatest value in parentheses. Measured program and baseline \
             alternate, and a ratio is the median of the ratios of neighbouring runs.\n\n{}{notes}",
            self.date,
            self.machine,
            lines(&rows)
        )
    }
}

fn lines(rows: &[&Row]) -> String {
    let line = |cells: [String; 6]| format!("| {} |\n", cells.join(" | "));
    let head = line(HEADINGS.map(str::to_owned)) + "|---|---|---|---|---|---|\n";
    rows.iter().fold(head, |text, row| text + &line(row.cells()))
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let (figure, unit) = (self.figure(), self.figure_unit());
        [
            self.measure.clone(),
            with_spread(&self.measured, self.unit),
            self.baseline.as_ref().map_or("–".into(), |baseline| baseline.cell(self.unit)),
            self.baseline.as_ref().map_or(unit.show(figure.median()), |_| with_spread(&figure, unit)),
            self.goal.map_or("–".into(), |goal| goal.cell(unit)),
            self.verdict().cell().to_owned(),
        ]
    }
}

impl Baseline {
    fn cell(&self, unit: Unit) -> String {
        let verb = match self.comparison {
            Comparison::Ratio => "",
            Comparison::Difference => "minus ",
        };
        format!("{verb}{}: {}", self.name, with_spread(&self.samples, unit))
    }
}

impl Goal {
    fn cell(self, unit: Unit) -> String {
        let sign = match self.bound {
            Bound::AtMost(_) => '≤',
            Bound::AtLeast(_) => '≥',
        };
        let stretch = self.stretch.map(|limit| format!(" ({})", unit.show(limit))).unwrap_or_default();
        format!("{sign} {}{stretch}", unit.show(self.limit()))
    }
}

impl Verdict {
    fn cell(self) -> &'static str {
        match self {
            Self::MetStretch => "met, with the stretch goal",
            Self::Met => "met",
            Self::Missed => "**missed**",
            Self::NoGoal => "–",
        }
    }
}

fn with_spread(samples: &Samples, unit: Unit) -> String {
    let median = unit.show(samples.median());
    if samples.count() < 2 {
        return median;
    }
    format!("{median} ({} to {})", unit.show(samples.least()), unit.show(samples.greatest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_measure_baseline_ratio_goal_and_verdict() {
        let row = Row::new("CPU per request", Unit::Seconds, [3e-5, 2e-5, 4e-5].into_iter().collect())
            .ratio_to("bare hyper", [1e-5, 1e-5, 1e-5].into_iter().collect())
            .goal(Goal::at_most(1.25).stretch(1.1));
        let table =
            Table { date: "2026-11-28".into(), machine: "2 cores".into(), notes: vec![], rows: vec![row] };
        assert!(table.markdown().contains(
            "| CPU per request | 30.0 µs (20.0 µs to 40.0 µs) | bare hyper: 10.0 µs (10.0 µs to 10.0 µs) \
             | 3.00 (2.00 to 4.00) | ≤ 1.25 (1.10) | **missed** |\n"
        ));
    }
}
