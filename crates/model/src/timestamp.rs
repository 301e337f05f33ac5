//! Instants: reading the machine's clock, and arithmetic that cannot overflow.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Reads the machine's clock, whether or not it is correct. Decisions use `ssod_clock::Clock` instead, which tests and
/// the simulation control.
#[expect(clippy::disallowed_methods, reason = "the only function that reads the machine's clock")]
pub fn system_time() -> Timestamp {
    Timestamp::now()
}

/// Arithmetic on instants that saturates, because a hostile lifetime in an answer must not cause a panic.
pub trait TimestampExt {
    /// Returns this instant moved later, at most to `Timestamp::MAX`.
    #[must_use]
    fn plus(self, by: Duration) -> Timestamp;
    /// Returns this instant moved earlier, at most to `Timestamp::MIN`.
    #[must_use]
    fn minus(self, by: Duration) -> Timestamp;
    /// Returns how long after `earlier` this instant is; zero if it is not later.
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
