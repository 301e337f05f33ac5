//! The table of results: rows with a measure, its baseline, a figure, a goal and a verdict.

mod json;
mod markdown;
mod quantity;

pub(super) use self::quantity::{Samples, Unit};

/// A goal for a row's figure, from the project's list of goals.
#[derive(Clone, Copy)]
pub(super) struct Goal {
    bound: Bound,
    stretch: Option<f64>,
}

/// The limit of a figure, in its unit.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    /// Returns the goal that the figure is not above this limit.
    pub(super) fn at_most(limit: f64) -> Self {
        Self { bound: Bound::AtMost(limit), stretch: None }
    }

    /// Returns the goal that the figure is not below this limit.
    pub(super) fn at_least(limit: f64) -> Self {
        Self { bound: Bound::AtLeast(limit), stretch: None }
    }

    /// Adds a limit that would be even better.
    pub(super) fn stretch(self, limit: f64) -> Self {
        Self { stretch: Some(limit), ..self }
    }

    fn verdict(self, figure: f64) -> Verdict {
        let keeps = |limit: f64| match self.bound {
            Bound::AtMost(_) => figure <= limit,
            Bound::AtLeast(_) => figure >= limit,
        };
        if !keeps(self.limit()) {
            return Verdict::Missed;
        }
        if self.stretch.is_some_and(keeps) { Verdict::MetStretch } else { Verdict::Met }
    }

    fn limit(self) -> f64 {
        match self.bound {
            Bound::AtMost(limit) | Bound::AtLeast(limit) => limit,
        }
    }
}

/// Whether a figure meets its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The figure also meets the stretch goal.
    MetStretch,
    Met,
    Missed,
    /// The row has no goal.
    NoGoal,
}

/// How a figure is calculated from a measurement and its baseline.
#[derive(Clone, Copy)]
enum Comparison {
    /// The measurement divided by the baseline of the same round.
    Ratio,
    /// The measurement minus the baseline of the same round.
    Difference,
}

/// What a measurement is compared with.
struct Baseline {
    name: String,
    samples: Samples,
    comparison: Comparison,
}

/// One measurement.
pub(super) struct Row {
    measure: String,
    unit: Unit,
    measured: Samples,
    baseline: Option<Baseline>,
    goal: Option<Goal>,
}

impl Row {
    /// Creates a row without baseline, whose figure is the measurement.
    pub(super) fn new(measure: impl Into<String>, unit: Unit, measured: Samples) -> Self {
        Self { measure: measure.into(), unit, measured, baseline: None, goal: None }
    }

    /// Makes the figure the ratio to this baseline, which was measured in the same rounds.
    pub(super) fn ratio_to(self, name: impl Into<String>, samples: Samples) -> Self {
        self.compared(name.into(), samples, Comparison::Ratio)
    }

    /// Makes the figure the difference from this baseline, which was measured in the same rounds.
    pub(super) fn beyond(self, name: impl Into<String>, samples: Samples) -> Self {
        self.compared(name.into(), samples, Comparison::Difference)
    }

    fn compared(self, name: String, samples: Samples, comparison: Comparison) -> Self {
        Self { baseline: Some(Baseline { name, samples, comparison }), ..self }
    }

    /// Adds the goal for the figure.
    pub(super) fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// Returns the figure of each round. A ratio of two neighbouring runs is hardly disturbed by the machine's other
    /// load, while the medians of all runs may stem from different minutes.
    fn figure(&self) -> Samples {
        let Some(baseline) = &self.baseline else { return self.measured.clone() };
        self.measured.combined(&baseline.samples, |measured, baseline_value| match baseline.comparison {
            Comparison::Ratio => measured / baseline_value,
            Comparison::Difference => measured - baseline_value,
        })
    }

    fn figure_unit(&self) -> Unit {
        match &self.baseline {
            Some(Baseline { comparison: Comparison::Ratio, .. }) => Unit::Ratio,
            _ => self.unit,
        }
    }

    fn verdict(&self) -> Verdict {
        self.goal.map_or(Verdict::NoGoal, |goal| goal.verdict(self.figure().median()))
    }
}

/// The result of a run.
pub(super) struct Table {
    /// When it was made.
    pub(super) date: String,
    /// The machine, in one line.
    pub(super) machine: String,
    /// Notes below the table, such as programs that could not be measured.
    pub(super) notes: Vec<String>,
    pub(super) rows: Vec<Row>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(measured: [f64; 3], baseline: [f64; 3]) -> Row {
        Row::new("CPU", Unit::Seconds, measured.into_iter().collect())
            .ratio_to("hyper", baseline.into_iter().collect())
    }

    #[test]
    fn the_figure_is_the_median_of_the_ratios_of_each_round() {
        // The second round was disturbed, for both programs.
        let row = row([2.0, 30.0, 2.2], [1.0, 15.0, 2.0]);
        assert!((row.figure().median() - 2.0).abs() < 1e-9);
        assert!((row.figure().least() - 1.1).abs() < 1e-9);
    }

    #[test]
    fn a_verdict_is_about_the_median() {
        let cases = [
            (Goal::at_most(1.25), 1.25, Verdict::Met),
            (Goal::at_most(1.25), 1.26, Verdict::Missed),
            (Goal::at_most(1.25).stretch(1.1), 1.1, Verdict::MetStretch),
            (Goal::at_most(1.25).stretch(1.1), 1.2, Verdict::Met),
            (Goal::at_least(0.8).stretch(0.9), 0.95, Verdict::MetStretch),
            (Goal::at_least(0.8).stretch(0.9), 0.85, Verdict::Met),
            (Goal::at_least(0.8).stretch(0.9), 0.79, Verdict::Missed),
        ];
        for (goal, ratio, expected) in cases {
            assert_eq!(row([ratio, ratio, ratio], [1.0; 3]).goal(goal).verdict(), expected, "{ratio}");
        }
        assert_eq!(row([1.0; 3], [1.0; 3]).verdict(), Verdict::NoGoal);
    }
}
