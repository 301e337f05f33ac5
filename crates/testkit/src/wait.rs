//! Waits for a condition instead of a fixed time.

use std::time::{Duration, Instant};

/// Much longer than any operation takes on a loaded machine, so only a real failure reaches this limit.
const LIMIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until the condition is true. The test fails after 30 seconds.
#[track_caller]
pub fn wait_until(description: &str, condition: impl Fn() -> bool) {
    wait_until_within(LIMIT, description, condition);
}

/// Waits until the condition is true. The test fails after the given time.
#[track_caller]
pub fn wait_until_within(limit: Duration, description: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {description}");
        std::thread::sleep(INTERVAL);
    }
}

/// Returns the shortest of several measured durations. A loaded machine slows down some runs, but rarely all of them,
/// so a test can compare the result with the limit that ssod promises.
pub fn fastest_of(runs: usize, measure: impl FnMut() -> Duration) -> Duration {
    std::iter::repeat_with(measure).take(runs).min().unwrap_or_default()
}
