//! A sleep that notices when the wall clock was set.

use std::future::Future;
use std::time::Duration;

use ssod_model::{Timestamp, TimestampExt};
use tokio::time::Instant;

use crate::source::TimeSource;

/// How often the supervisor compares the wall clock with the monotonic one.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// With an alarm, the supervisor wakes only if the deadline is nearer than this, so an idle daemon does not wake.
const SUPERVISED_WINDOW: Duration = Duration::from_hours(1);
/// If the two clocks advanced by amounts that differ by more than this, the wall clock was set.
const TOLERATED_DRIFT: Duration = Duration::from_secs(1);

/// Sleeps until `clock` has reached the deadline, or the wall clock was set.
///
/// The alarm ends when that much time has passed on the wall clock, or when the wall clock is set. Without an alarm,
/// and with one while the deadline is near, a supervisor compares the wall clock with the monotonic one.
pub async fn sleep_supervised<A: Future<Output = ()> + Send>(
    clock: &impl TimeSource,
    wall: impl Fn() -> Timestamp + Send,
    alarm: impl Fn(Duration) -> Option<A> + Send,
    deadline: Timestamp,
) {
    loop {
        let remaining = deadline.since_or_zero(clock.now());
        if remaining.is_zero() {
            return;
        }
        let (wall_before, monotonic_before) = (wall(), Instant::now());
        let alarm = alarm(remaining);
        // A monotonic timer stops while the machine is suspended, so it is trusted for a short time only.
        let check_after = if alarm.is_none() {
            CHECK_INTERVAL
        } else {
            remaining.saturating_sub(SUPERVISED_WINDOW).max(CHECK_INTERVAL)
        };
        let alarm_ends = async {
            match alarm {
                Some(alarm) => alarm.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = alarm_ends => {}
            () = tokio::time::sleep(remaining.min(check_after)) => {}
        }
        // If the wall clock was set, the caller decides again. Otherwise an answer of AWS may have changed the
        // time, so that the deadline is not reached yet, and the loop continues.
        let passed = wall().duration_since(wall_before).unsigned_abs();
        if passed.abs_diff(monotonic_before.elapsed()) > TOLERATED_DRIFT {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::source::Sleep;

    /// A wall clock that the test sets.
    struct SettableWall(Arc<Mutex<(Instant, Timestamp)>>);

    impl TimeSource for SettableWall {
        fn now(&self) -> Timestamp {
            let (at, wall) = *self.0.lock().unwrap();
            wall.plus(at.elapsed())
        }

        fn sleep_until(&self, _: Timestamp) -> Sleep<'_> {
            unreachable!("the test calls sleep_supervised itself")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_alarm_a_set_clock_ends_the_sleep_within_thirty_seconds() {
        let initial = Timestamp::from_second(1_800_000_000).unwrap();
        let wall = SettableWall(Arc::new(Mutex::new((Instant::now(), initial))));
        let set = wall.0.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(45)).await;
            *set.lock().unwrap() = (Instant::now(), initial.minus(Duration::from_hours(1)));
        });
        let start = Instant::now();
        let no_alarm = |_| None::<std::future::Pending<()>>;
        sleep_supervised(&wall, || wall.now(), no_alarm, initial.plus(Duration::from_mins(30))).await;
        assert_eq!(start.elapsed().as_secs(), 60, "it checks twice a minute");
    }
}
