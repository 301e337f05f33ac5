//! What time it really is, where the machine's clock is wrong: learned from AWS's answers, carried on by the clock that nobody
//! can set.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::TimestampExt;

/// Below this, the difference is the answer's way, not a wrong clock.
const TOLERATED: Duration = Duration::from_mins(1);
/// Clocks that are kept right are slewed by at most 500 millionths; whatever moves further was set.
const SLEW: u32 = 1_000;
/// An answer that was longer on its way tells an old time: the machine may have slept while it came.
const WAY: Duration = Duration::from_secs(10);
/// Readings of two clocks are never of the same instant.
const SLACK: Duration = Duration::from_secs(1);

/// Two clocks of one machine, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The clock on the wall, which people and programs set.
    pub wall: Timestamp,
    /// The time since some moment in the past; it runs on while the machine sleeps, and nobody can set it.
    pub steady: Duration,
}

impl Reading {
    /// How far the wall clock was set since an earlier reading: forward or back, zero where it only ran.
    pub fn set_since(&self, earlier: &Self) -> SignedDuration {
        let passed = self.steady.saturating_sub(earlier.steady);
        let by = self.wall.duration_since(earlier.wall) - signed(passed);
        if by.unsigned_abs() <= SLACK + passed / SLEW { SignedDuration::ZERO } else { by }
    }
}

/// What is known of the machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Correction {
    anchor: Option<Anchor>,
}

/// AWS said what time it is.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Reading,
    /// What is added to the wall clock; zero where it was right enough.
    offset: SignedDuration,
}

impl Correction {
    /// AWS's time, as an answer told it that came at that reading; `asked_at` is the [`now`](Self::now) of its question.
    pub fn heard(&mut self, theirs: Timestamp, asked_at: Timestamp, at: Reading) {
        if self.now(at).duration_since(asked_at).unsigned_abs() > WAY {
            return;
        }
        let offset = theirs.duration_since(at.wall);
        let offset = if offset.unsigned_abs() <= TOLERATED { SignedDuration::ZERO } else { offset };
        self.anchor = Some(Anchor { at, offset });
    }

    /// Whether AWS ever said what time it is.
    pub fn is_known(&self) -> bool {
        self.anchor.is_some()
    }

    /// The time, as well as it is known. Where the wall clock was set since AWS last said something, it is the later of the two
    /// that it may be: so nothing that is over counts as good.
    pub fn now(&self, reading: Reading) -> Timestamp {
        let Some(anchor) = &self.anchor else { return reading.wall };
        if reading.set_since(&anchor.at).is_zero() {
            return add(reading.wall, anchor.offset);
        }
        let passed = reading.steady.saturating_sub(anchor.at.steady);
        add(anchor.at.wall, anchor.offset).plus(passed).max(reading.wall)
    }

    /// How far the wall clock is ahead of AWS's, or behind it where negative; `None` where it is right, or where nothing is
    /// known since it was set.
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn reading(wall: i64, steady: i64) -> Reading {
        let wall = Timestamp::from_second(1_800_000_000 + wall).unwrap();
        Reading { wall, steady: Duration::from_secs(steady.unsigned_abs()) }
    }

    fn hear(correction: &mut Correction, theirs: Timestamp, at: Reading) {
        correction.heard(theirs, correction.now(at), at);
    }

    /// What counts at a reading, in seconds, after AWS said that it was zero at another one.
    fn judged(heard_at: (i64, i64), now: (i64, i64)) -> i64 {
        let mut correction = Correction::default();
        hear(&mut correction, reading(0, 0).wall, reading(heard_at.0, heard_at.1));
        correction.now(reading(now.0, now.1)).as_second() - 1_800_000_000
    }

    #[test]
    fn what_time_it_is() {
        for (name, heard_at, now, judges) in [
            ("a clock that is right", (0, 0), (HOUR, HOUR), HOUR),
            ("half a minute is the answer's way", (30, 0), (HOUR + 30, HOUR), HOUR + 30),
            ("two hours ahead, since before AWS answered", (2 * HOUR, 0), (3 * HOUR, HOUR), HOUR),
            ("an hour behind, since before AWS answered", (-HOUR, 0), (0, HOUR), HOUR),
            ("set back since: time goes on all the same", (0, 0), (-HOUR, 60), 60),
            ("set forward since: it may be right, so it counts", (0, 0), (2 * HOUR, 60), 2 * HOUR),
            ("set right since", (2 * HOUR, 0), (60, 60), 60),
            ("slewed", (0, 0), (HOUR + 2, HOUR), HOUR + 2),
        ] {
            assert_eq!(judged(heard_at, now), judges, "{name}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_until_it_is_set() {
        let mut correction = Correction::default();
        assert_eq!(correction.wrong_by(reading(0, 0)), None);
        hear(&mut correction, reading(0, 0).wall, reading(-HOUR, 0));
        assert_eq!(correction.wrong_by(reading(-HOUR + 5, 5)), Some(SignedDuration::from_secs(-HOUR)));
        assert_eq!(correction.wrong_by(reading(5, 5)), None);
        hear(&mut correction, reading(5, 5).wall, reading(5, 5));
        assert_eq!(correction.wrong_by(reading(5, 5)), None);
    }

    #[test]
    fn an_answer_that_came_after_a_sleep_tells_nothing() {
        let mut correction = Correction::default();
        let asked_at = correction.now(reading(0, 0));
        correction.heard(reading(1, 1).wall, asked_at, reading(8 * HOUR, 8 * HOUR));
        assert!(!correction.is_known());
    }

    #[test]
    fn nothing_overflows() {
        let mut correction = Correction::default();
        let far = Reading { wall: Timestamp::MAX, steady: Duration::MAX };
        hear(&mut correction, Timestamp::MIN, far);
        let _ = correction.now(Reading { wall: Timestamp::MIN, steady: Duration::ZERO });
        let _ = correction.now(far);
    }
}
