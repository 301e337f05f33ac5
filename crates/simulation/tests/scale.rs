//! Simulates a thousand profiles; `cargo xtask bench` simulates ten thousand.

use std::time::Duration;

use ssod_simulation::{RATE, scale};

#[test]
#[expect(clippy::cast_precision_loss, reason = "a thousand")]
fn a_thousand_profiles_are_fetched_at_the_portals_rate_and_are_always_fresh() {
    let outcome = scale(1_000, 3);
    assert!(outcome.broken_promises.is_empty(), "{:?}", outcome.broken_promises);
    let least_seconds = outcome.calls as f64 / RATE;
    let ratio = outcome.fill.as_secs_f64() / least_seconds;
    assert!(ratio < 1.05, "{ratio:.3} times the time that {} calls need: {:?}", outcome.calls, outcome.fill);
    assert!(outcome.shortest_lifetime >= Duration::from_mins(25), "{:?}", outcome.shortest_lifetime);
    assert!(outcome.longest_wait < Duration::from_millis(800), "{:?}", outcome.longest_wait);
}
