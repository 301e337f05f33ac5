//! How long to wait before a retry, and how renewals are spread over time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ssod_model::{Timestamp, TimestampExt};

/// The shortest wait between two attempts after a transient failure.
pub const RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest wait between two attempts after a transient failure.
pub const RETRY_MAX: Duration = Duration::from_mins(5);
/// The wait after a refusal, for example because the user has no such role.
pub const REFUSED_RETRY: Duration = Duration::from_mins(5);
/// One thread may read the time before another thread does and use it after that thread, so a difference up to this
/// counts as the same moment.
const SAME_MOMENT: Duration = Duration::from_secs(2);
/// Renewals are moved earlier by up to this share of the margin, so that profiles do not all renew at once.
const JITTER_PERCENT: u32 = 10;

/// Returns how long to wait after the given number of failures in a row: full jitter, doubling from [`RETRY_MIN`] to
/// [`RETRY_MAX`], and at most half of a short lifetime. `retry_after` is the wait that AWS asked for.
pub fn backoff(
    failures: u32,
    retry_after: Option<Duration>,
    lifetime: Option<Duration>,
    seed: u64,
) -> Duration {
    let upper = RETRY_MIN.saturating_mul(1 << failures.min(10)).min(RETRY_MAX);
    let upper = lifetime.map_or(upper, |lifetime| upper.min((lifetime / 2).max(Duration::from_millis(100))));
    let drawn = upper.mul_f64(fraction(seed));
    let wait = drawn.max(RETRY_MIN.min(upper));
    // A server may ask for an absurdly long wait; the cap limits it.
    retry_after.map_or(wait, |retry_after| wait.max(retry_after.min(RETRY_MAX)))
}

/// Returns a number that is equal for equal values and evenly distributed over different ones.
pub fn seed(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Returns whether a wait until `retry_at` is in progress. No wait is longer than [`RETRY_MAX`]: a longer one was set
/// by a clock that has been set back since, so it does not count.
pub fn is_waiting(now: Timestamp, retry_at: Timestamp) -> bool {
    now < retry_at && retry_at <= now.plus(RETRY_MAX + SAME_MOMENT)
}

/// Returns the later of `due` and the end of the wait that is in progress.
pub(super) fn not_before(now: Timestamp, due: Timestamp, retry_at: Option<Timestamp>) -> Timestamp {
    retry_at.filter(|retry_at| is_waiting(now, *retry_at)).map_or(due, |retry_at| due.max(retry_at))
}

/// Returns a share of a margin that depends on the seed.
pub(crate) fn jitter(margin: Duration, seed: u64) -> Duration {
    (margin * JITTER_PERCENT / 100).mul_f64(fraction(seed))
}

/// Returns the seed as a number from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "jitter needs no more than a float's precision")]
fn fraction(seed: u64) -> f64 {
    (seed >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_back_off_stays_within_its_bounds(
            failures in 0u32..100, retry_after in prop::option::of(0u64..100_000), seed: u64,
        ) {
            let wait = backoff(failures, retry_after.map(Duration::from_secs), None, seed);
            prop_assert!((RETRY_MIN..=RETRY_MAX).contains(&wait), "{wait:?}");
        }
    }
}
