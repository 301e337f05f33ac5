//! Repeats a measurement and returns the median.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The number of repetitions of each measurement, of which the median is reported.
const REPETITIONS: usize = 2_000;

/// Returns the median of the times that the repeated work takes.
pub(super) fn median_duration(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut durations = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        work()?;
        durations.push(start.elapsed());
    }
    durations.sort_unstable();
    durations.get(REPETITIONS / 2).copied().context("nothing was measured")
}
