//! Prints a measurement beside its baseline.

use std::time::Duration;

/// Prints the measurement, its baseline and their ratio.
pub(super) fn print_row(name: &str, measured: Duration, baseline: Duration) {
    let ratio = measured.as_secs_f64() / baseline.as_secs_f64();
    println!("{name:44} {:>10} {:>10} {ratio:>8.2}", microseconds(measured), microseconds(baseline));
}

fn microseconds(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}
