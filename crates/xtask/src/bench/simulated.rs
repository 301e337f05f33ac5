//! What the simulation measures: promises under storms, and delays with many profiles. The portal answers twenty calls
//! per second, and randomly refuses one in twenty.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ssod_simulation::{RATE, ScaleOutcome, scale, storm};

use super::table::{Goal, Row, Samples, Unit};

/// Simulates a storm for each seed. Fails if a promise is broken.
#[expect(clippy::cast_precision_loss, reason = "the numbers are far below 2^52")]
pub(super) fn storm_rows(seeds: u64) -> Result<Vec<Row>> {
    let start = Instant::now();
    let (mut served, mut simulated_time) = (0, Duration::ZERO);
    for seed in 0..seeds {
        let outcome = storm(seed);
        ensure!(outcome.broken_promises.is_empty(), "SSOD_SEED={seed}: {:#?}", outcome.broken_promises);
        served += outcome.served;
        simulated_time += outcome.simulated_time;
    }
    let days = simulated_time.as_secs() / 86_400;
    let measure = format!("{seeds} storms of {days} simulated days, no promise broken: requests served");
    let run_time = Row::new("  time to simulate them", Unit::Seconds, one(start.elapsed().as_secs_f64()));
    Ok(vec![Row::new(measure, Unit::Count, one(served as f64)), run_time])
}

/// Measures the first fetch of many profiles, and what callers notice after that.
pub(super) fn scale_rows() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for profiles in [10, 100, 1_000, 10_000] {
        let outcome = scale(profiles, 3);
        ensure!(outcome.broken_promises.is_empty(), "{profiles} profiles: {:?}", outcome.broken_promises);
        rows.extend(rows_of(profiles, &outcome));
    }
    Ok(rows)
}

#[expect(clippy::cast_precision_loss, reason = "the numbers are far below 2^52")]
fn rows_of(profiles: usize, outcome: &ScaleOutcome) -> [Row; 3] {
    let seconds = |duration: Duration| one(duration.as_secs_f64());
    let fill = Row::new(
        format!("first fetch of {profiles} profiles, simulated"),
        Unit::Seconds,
        seconds(outcome.fill),
    )
    .ratio_to("calls / rate", one(outcome.calls as f64 / RATE));
    [
        // With few profiles, the first calls are not delayed by the rate.
        if profiles < 1_000 { fill } else { fill.goal(Goal::at_most(1.05)) },
        Row::new(
            "  shortest remaining lifetime after that",
            Unit::Seconds,
            seconds(outcome.shortest_lifetime),
        ),
        Row::new("  longest wait of a caller after that", Unit::Seconds, seconds(outcome.longest_wait)),
    ]
}

/// A simulation has no spread.
fn one(value: f64) -> Samples {
    [value].into_iter().collect()
}
