//! The real time if the machine's clock is wrong: learned from AWS's answers, and continued by the steady clock, which
//! cannot be set.

use std::time::Duration;

use ssod_model::{SignedDuration, Timestamp, TimestampExt};

/// A smaller difference comes from the answer's travel time, not from a wrong clock.
const TOLERATED_ERROR: Duration = Duration::from_mins(1);
/// Time synchronisation slews a clock by at most 500 parts per million (adjtimex(2)); a clock that moved by more was
/// set.
const SLEW_DIVISOR: u32 = 1_000;
/// An answer that took longer carries an old time, because the machine may have been suspended meanwhile.
const MAX_TRAVEL_TIME: Duration = Duration::from_secs(10);
/// Two clocks are never read at the same instant.
const READING_SLACK: Duration = Duration::from_secs(1);

/// Two clocks of one machine, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock, which users and programs can set.
    pub wall: Timestamp,
    /// The time since a fixed moment. This clock continues while the machine is suspended and cannot be set.
    pub steady: Duration,
}

impl Reading {
    /// Returns how far the wall clock was set since an earlier reading: forward, back (negative), or zero if it only
    /// advanced.
    pub fn set_since(&self, earlier: &Self) -> SignedDuration {
        let passed = self.steady.saturating_sub(earlier.steady);
        let by = self.wall.duration_since(earlier.wall) - signed(passed);
        if by.unsigned_abs() <= READING_SLACK + passed / SLEW_DIVISOR { SignedDuration::ZERO } else { by }
    }
}

/// What AWS's answers have shown about the machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Correction {
    anchor: Option<Anchor>,
}

/// The last time that an answer of AWS contained.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Reading,
    /// What to add to the wall clock; zero if it was right within the tolerance.
    offset: SignedDuration,
}

impl Correction {
    /// Learns AWS's time from an answer that arrived at that reading; `asked_at` is [`now`](Self::now) when the request
    /// was sent.
    pub fn learn(&mut self, aws_time: Timestamp, asked_at: Timestamp, at: Reading) {
        if self.now(at).duration_since(asked_at).unsigned_abs() > MAX_TRAVEL_TIME {
            return;
        }
        let offset = aws_time.duration_since(at.wall);
        let offset = if offset.unsigned_abs() <= TOLERATED_ERROR { SignedDuration::ZERO } else { offset };
        self.anchor = Some(Anchor { at, offset });
    }

    /// Returns whether any answer of AWS has contained the time.
    pub fn is_known(&self) -> bool {
        self.anchor.is_some()
    }

    /// Returns the time, as well as it is known. If the wall clock was set since AWS's last answer, both the wall
    /// clock and the continued time may be right; this returns the later one, so that nothing expired counts as valid.
    pub fn now(&self, reading: Reading) -> Timestamp {
        let Some(anchor) = &self.anchor else { return reading.wall };
        if reading.set_since(&anchor.at).is_zero() {
            return add(reading.wall, anchor.offset);
        }
        let passed = reading.steady.saturating_sub(anchor.at.steady);
        add(anchor.at.wall, anchor.offset).plus(passed).max(reading.wall)
    }

    /// Returns how far the wall clock is ahead of AWS's (behind if negative); `None` if it is right, or was set since
    /// AWS's last answer.
    pub fn wrong_by(&self, reading: Reading) -> Option<SignedDuration> {
        let anchor = self.anchor.filter(|anchor| reading.set_since(&anchor.at).is_zero())?;
        (!anchor.offset.is_zero()).then(|| -anchor.offset)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn add(at: Timestamp, by: SignedDuration) -> Timestamp {
    if by.is_negative() { at.minus(by.unsigned_abs()) } else { at.plus(by.unsigned_abs()) }
}

/// Describes a clock error for users: "2h 5m ahead of AWS's".
pub fn describe_clock_error(wrong_by: SignedDuration) -> String {
    let minutes = wrong_by.unsigned_abs().as_secs() / 60;
    let direction = if wrong_by.is_negative() { "behind" } else { "ahead of" };
    let amount =
        if minutes < 60 { format!("{minutes}m") } else { format!("{}h {}m", minutes / 60, minutes % 60) };
    format!("{amount} {direction} AWS's")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn reading(wall: i64, steady: i64) -> Reading {
        let wall = Timestamp::from_second(1_800_000_000 + wall).unwrap();
        Reading { wall, steady: Duration::from_secs(steady.unsigned_abs()) }
    }

    fn learn(correction: &mut Correction, aws_time: Timestamp, at: Reading) {
        correction.learn(aws_time, correction.now(at), at);
    }

    /// Returns the time at the reading `now`, in seconds, if AWS's time was zero at the reading `learnt_at`.
    fn corrected(learnt_at: (i64, i64), now: (i64, i64)) -> i64 {
        let mut correction = Correction::default();
        learn(&mut correction, reading(0, 0).wall, reading(learnt_at.0, learnt_at.1));
        correction.now(reading(now.0, now.1)).as_second() - 1_800_000_000
    }

    #[test]
    fn the_time_continues_from_awss_last_answer() {
        for (name, learnt_at, now, expected) in [
            ("a clock that is right", (0, 0), (HOUR, HOUR), HOUR),
            ("half a minute is travel time", (30, 0), (HOUR + 30, HOUR), HOUR + 30),
            ("two hours ahead, since before AWS answered", (2 * HOUR, 0), (3 * HOUR, HOUR), HOUR),
            ("an hour behind, since before AWS answered", (-HOUR, 0), (0, HOUR), HOUR),
            ("set back since: the time continues", (0, 0), (-HOUR, 60), 60),
            ("set forward since: it may be right, so it is used", (0, 0), (2 * HOUR, 60), 2 * HOUR),
            ("set right since", (2 * HOUR, 0), (60, 60), 60),
            ("slewed", (0, 0), (HOUR + 2, HOUR), HOUR + 2),
        ] {
            assert_eq!(corrected(learnt_at, now), expected, "{name}");
        }
    }

    #[test]
    fn a_wrong_clock_is_reported_until_it_is_set() {
        let mut correction = Correction::default();
        assert_eq!(correction.wrong_by(reading(0, 0)), None);
        learn(&mut correction, reading(0, 0).wall, reading(-HOUR, 0));
        assert_eq!(correction.wrong_by(reading(-HOUR + 5, 5)), Some(SignedDuration::from_secs(-HOUR)));
        assert_eq!(correction.wrong_by(reading(5, 5)), None);
        learn(&mut correction, reading(5, 5).wall, reading(5, 5));
        assert_eq!(correction.wrong_by(reading(5, 5)), None);
    }

    #[test]
    fn an_answer_that_arrived_after_a_suspend_is_ignored() {
        let mut correction = Correction::default();
        let asked_at = correction.now(reading(0, 0));
        correction.learn(reading(1, 1).wall, asked_at, reading(8 * HOUR, 8 * HOUR));
        assert!(!correction.is_known());
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let mut correction = Correction::default();
        let far = Reading { wall: Timestamp::MAX, steady: Duration::MAX };
        learn(&mut correction, Timestamp::MIN, far);
        let _ = correction.now(Reading { wall: Timestamp::MIN, steady: Duration::ZERO });
        let _ = correction.now(far);
    }

    #[test]
    fn clock_errors_are_described_in_hours_and_minutes() {
        assert_eq!(describe_clock_error(SignedDuration::from_mins(125)), "2h 5m ahead of AWS's");
        assert_eq!(describe_clock_error(SignedDuration::from_mins(-3)), "3m behind AWS's");
    }
}
