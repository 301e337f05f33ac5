//! Waiting for a condition instead of for a fixed time.

use std::time::{Duration, Instant};

/// Far above what anything takes on a loaded machine, so that only a real failure reaches it.
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

/// Returns the shortest of several measured durations. A loaded machine slows down single runs, but rarely all, so a test can
/// compare the result with the limit that ssod promises.
pub fn fastest_of(runs: usize, measure: impl FnMut() -> Duration) -> Duration {
    std::iter::repeat_with(measure).take(runs).min().unwrap_or_default()
}
