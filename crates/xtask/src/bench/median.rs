//! Repeats a measurement and returns the median.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The number of repetitions of each measurement, of which the median is reported.
const REPETITIONS: usize = 2_000;

/// Measures the default number of times.
pub(super) fn median_duration(measure: impl FnMut() -> Result<()>) -> Result<Duration> {
    median_of(REPETITIONS, measure)
}

/// Measures that many times.
pub(super) fn median_of(repetitions: usize, mut measure: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut durations = Vec::with_capacity(repetitions);
    for _ in 0..repetitions {
        let start = Instant::now();
        measure()?;
        durations.push(start.elapsed());
    }
    durations.sort_unstable();
    durations.get(repetitions / 2).copied().context("nothing was measured")
}
