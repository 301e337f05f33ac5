//! Measured values, their spread, and their units.

use std::time::Duration;

/// The unit of a value, and how it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Unit {
    Seconds,
    Bytes,
    PerSecond,
    /// Without a unit, such as context switches per request.
    Count,
    Ratio,
}

impl Unit {
    /// Returns the unit's name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::PerSecond => "1/s",
            Self::Count => "",
            Self::Ratio => "ratio",
        }
    }

    /// Returns the value with a unit that gives it a few digits, such as "23.1 µs".
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => show_time(value),
            Self::Bytes if value.abs() >= 1024.0 * 1024.0 => format!("{:.1} MiB", value / 1024.0 / 1024.0),
            Self::Bytes => format!("{:.2} KB", value / 1000.0),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Count if value.fract() == 0.0 => format!("{value:.0}"),
            Self::Count => format!("{value:.3}"),
            Self::Ratio => format!("{value:.2}"),
        }
    }
}

fn show_time(seconds: f64) -> String {
    match seconds.abs() {
        large if large >= 1.0 => format!("{seconds:.2} s"),
        medium if medium >= 1e-3 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{:.1} µs", seconds * 1e6),
    }
}

/// The values of one measure, one for each round, in the order of the rounds.
#[derive(Clone, Debug, Default)]
pub(in crate::bench) struct Samples(Vec<f64>);

impl Samples {
    /// Adds the value of the next round.
    pub(in crate::bench) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Returns the median; of an even number, the higher one of the two.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn least(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    pub(super) fn greatest(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// Multiplies each value.
    pub(in crate::bench) fn scaled(&self, factor: f64) -> Self {
        self.0.iter().map(|value| value * factor).collect()
    }

    /// Combines the values of each round.
    pub(super) fn combined(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        self.0.iter().zip(&other.0).map(|(own, others)| combine(*own, *others)).collect()
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<Values: IntoIterator<Item = f64>>(values: Values) -> Self {
        Self(values.into_iter().collect())
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<Values: IntoIterator<Item = Duration>>(values: Values) -> Self {
        values.into_iter().map(|duration| duration.as_secs_f64()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_in_a_unit_of_its_size() {
        let cases = [
            (Unit::Seconds, 0.000_023_1, "23.1 µs"),
            (Unit::Seconds, 0.0059, "5.90 ms"),
            (Unit::Seconds, 8.6, "8.60 s"),
            (Unit::Bytes, 10.6 * 1024.0 * 1024.0, "10.6 MiB"),
            (Unit::Bytes, 6_000.0, "6.00 KB"),
            (Unit::PerSecond, 61_800.4, "61800/s"),
            (Unit::Count, 0.6, "0.600"),
            (Unit::Count, 3.0, "3"),
            (Unit::Ratio, 1.254, "1.25"),
        ];
        for (unit, value, expected) in cases {
            assert_eq!(unit.show(value), expected);
        }
    }

    #[test]
    fn the_spread_is_from_the_least_to_the_greatest_value() {
        let samples: Samples = [3.0, 1.0, 2.0, 9.0, 4.0].into_iter().collect();
        assert_eq!(
            [samples.least(), samples.median(), samples.greatest()].map(f64::to_bits),
            [1.0, 3.0, 9.0].map(f64::to_bits)
        );
    }
}
