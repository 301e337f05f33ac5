//! A limit to the time that searches take.

use std::time::{Duration, Instant};

/// The share of the time that may be spent in the long run is one part in this.
const SHARE: u32 = 5;
/// What may be spent at once after a pause, for commands that start together, as in a build.
const BURST: Duration = Duration::from_millis(200);

/// The time that may be spent now.
pub(super) struct Budget {
    spent: Duration,
    at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { spent: Duration::ZERO, at: now }
    }

    /// Does the work and counts its time, or returns `None` because too much time was spent already.
    pub(super) fn spend<T>(&mut self, work: impl FnOnce() -> T) -> Option<T> {
        let begun = Instant::now();
        if !self.allows(begun) {
            return None;
        }
        let result = work();
        self.spent += begun.elapsed();
        Some(result)
    }

    fn allows(&mut self, now: Instant) -> bool {
        self.spent = self.spent.saturating_sub(now.saturating_duration_since(self.at) / SHARE);
        self.at = now;
        self.spent < BURST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_a_fifth_of_the_time() {
        let begun = Instant::now();
        let mut budget = Budget::new(begun);
        let mut searched = Duration::ZERO;
        let cost = Duration::from_millis(5);
        for millisecond in 0..10_000 {
            if budget.allows(begun + Duration::from_millis(millisecond)) {
                budget.spent += cost;
                searched += cost;
            }
            if millisecond == 30 {
                assert_eq!(searched, cost * 31, "commands that start together are all searched");
            }
        }
        let share = searched.as_secs_f64() / 10.0;
        assert!((0.2..=0.23).contains(&share), "{share}");
    }
}
