//! The table as JSON.

use serde_json::{Value, json};

use super::quantity::{Samples, Unit};
use super::{Bound, Comparison, Row, Table, Verdict};

impl Table {
    /// Returns the whole table as an object.
    pub(in crate::bench) fn json(&self) -> Value {
        json!({
            "date": self.date,
            "machine": self.machine,
            "notes": self.notes,
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    fn json(&self) -> Value {
        let baseline = self.baseline.as_ref().map(|baseline| {
            let comparison = match baseline.comparison {
                Comparison::Ratio => "ratio",
                Comparison::Difference => "difference",
            };
            json!({
                "name": baseline.name,
                "comparison": comparison,
                "value": quantity(&baseline.samples, self.unit),
            })
        });
        let goal = self.goal.map(|goal| {
            let bound = match goal.bound {
                Bound::AtMost(_) => "at most",
                Bound::AtLeast(_) => "at least",
            };
            json!({ "bound": bound, "limit": goal.limit(), "stretch": goal.stretch })
        });
        json!({
            "measure": self.measure,
            "measured": quantity(&self.measured, self.unit),
            "baseline": baseline,
            "figure": quantity(&self.figure(), self.figure_unit()),
            "goal": goal,
            "verdict": self.verdict().name(),
        })
    }
}

impl Verdict {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::MetStretch => Some("met stretch"),
            Self::Met => Some("met"),
            Self::Missed => Some("missed"),
            Self::NoGoal => None,
        }
    }
}

fn quantity(samples: &Samples, unit: Unit) -> Value {
    json!({
        "median": samples.median(),
        "least": samples.least(),
        "greatest": samples.greatest(),
        "rounds": samples.count(),
        "unit": unit.name(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table::Goal;

    #[test]
    fn a_row_in_json_has_the_figure_and_the_verdict() {
        let row = Row::new("requests", Unit::PerSecond, [8.0, 9.0, 7.0].into_iter().collect())
            .ratio_to("bare hyper", [10.0; 3].into_iter().collect())
            .goal(Goal::at_least(0.8));
        let json = row.json();
        assert_eq!(json["figure"]["median"], json!(0.8));
        assert_eq!(json["baseline"]["value"]["unit"], json!("1/s"));
        assert_eq!(json["verdict"], json!("met"));
    }
}
