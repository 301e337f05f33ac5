//! Wall time as a dependency: what is read, what is awaited, and arithmetic that cannot overflow.

use std::future::Future;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Tells the wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The time now, as well as it is known.
    fn now(&self) -> Timestamp;

    /// AWS said what time it is, in an answer that came at this moment to a question of `asked_at`, by this clock. A clock
    /// that can be wrong goes by it.
    fn heard(&self, _theirs: Timestamp, _asked_at: Timestamp) {}

    /// How far the machine's clock is ahead of AWS's, or behind it where negative, where it is known to be wrong.
    fn wrong_by(&self) -> Option<SignedDuration> {
        None
    }
}

/// A clock that can also be awaited. Its sleep is on the wall clock: a suspended machine or a changed clock
/// makes it end when the wall clock says so.
pub trait Timer: Clock {
    /// Ends when `now()` has reached `deadline`; it may end early, so callers look at the clock again.
    fn sleep_until(&self, deadline: Timestamp) -> impl Future<Output = ()> + Send;

    /// The same for a deadline that there may be; without one it never ends.
    fn sleep_until_due(&self, deadline: Option<Timestamp>) -> impl Future<Output = ()> + Send {
        async move {
            match deadline {
                Some(deadline) => self.sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Arithmetic on instants that saturates: a hostile lifetime must not become a panic.
pub trait TimestampExt {
    /// This instant moved later, at most to the end of time.
    #[must_use]
    fn plus(self, by: Duration) -> Timestamp;
    /// This instant moved earlier, at most to the beginning of time.
    #[must_use]
    fn minus(self, by: Duration) -> Timestamp;
    /// How long after `earlier` this is; zero where it is not after it.
    fn since_or_zero(self, earlier: Timestamp) -> Duration;
}

impl TimestampExt for Timestamp {
    fn plus(self, by: Duration) -> Timestamp {
        SignedDuration::try_from(by).ok().and_then(|by| self.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
    }

    fn minus(self, by: Duration) -> Timestamp {
        SignedDuration::try_from(by).ok().and_then(|by| self.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
    }

    fn since_or_zero(self, earlier: Timestamp) -> Duration {
        Duration::try_from(self.duration_since(earlier)).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_overflowing() {
        assert_eq!(Timestamp::UNIX_EPOCH.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::UNIX_EPOCH.minus(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::UNIX_EPOCH.since_or_zero(Timestamp::MAX), Duration::ZERO);
    }
}
