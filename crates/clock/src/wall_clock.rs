//! The machine's wall clock, corrected by AWS's time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ssod_model::{SignedDuration, Timestamp, TimestampExt, system_time};

#[cfg(target_os = "linux")]
use crate::alarm::Alarm;
use crate::correction::{Correction, Reading, describe_clock_error};
use crate::source::{Sleep, TimeSource};
use crate::supervisor::sleep_supervised;

/// The machine's wall clock, corrected by the times in AWS's answers. On Linux it sleeps by a timer that continues
/// while the machine is suspended and that ends at once when the clock is set.
#[derive(Debug, Default)]
pub struct WallClock(Mutex<Correction>);

impl WallClock {
    fn correction(&self) -> MutexGuard<'_, Correction> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource for WallClock {
    fn now(&self) -> Timestamp {
        self.correction().now(reading())
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_> {
        let alarm = |remaining| Alarm::at(system_time().plus(remaining)).map(Alarm::elapsed);
        Box::pin(sleep_supervised(self, system_time, alarm, deadline))
    }

    fn learn(&self, aws_time: Timestamp, asked_at: Timestamp) {
        let (at, mut correction) = (reading(), self.correction());
        let before = correction.wrong_by(at);
        correction.learn(aws_time, asked_at, at);
        let after = correction.wrong_by(at);
        drop(correction);
        if let Some(by) = after.filter(|_| before.is_none()) {
            tracing::warn!("this machine's clock is {}; ssod uses AWS's time", describe_clock_error(by));
        }
    }

    fn wrong_by(&self) -> Option<SignedDuration> {
        self.correction().wrong_by(reading())
    }
}

/// Reads the wall clock and the steady one.
fn reading() -> Reading {
    #[cfg(target_os = "linux")]
    const STEADY: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    // On macOS this clock continues while the machine is suspended.
    #[cfg(not(target_os = "linux"))]
    const STEADY: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let steady = rustix::time::clock_gettime(STEADY);
    let (seconds, nanoseconds) = (steady.tv_sec.unsigned_abs(), steady.tv_nsec.unsigned_abs());
    let steady = Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds);
    Reading { wall: system_time(), steady }
}

/// Other systems have no such timer; there the supervisor alone notices a set clock.
#[cfg(not(target_os = "linux"))]
struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    fn at(_deadline: Timestamp) -> Option<Self> {
        None
    }

    fn elapsed(self) -> std::future::Ready<()> {
        std::future::ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_ends_at_the_deadline_and_not_before() {
        let clock = WallClock::default();
        let deadline = clock.now().plus(Duration::from_millis(50));
        clock.sleep_until(deadline).await;
        assert!(clock.now() >= deadline);
        tokio::time::timeout(Duration::from_secs(1), clock.sleep_until(Timestamp::MIN)).await.unwrap();
    }

    #[tokio::test]
    async fn a_deadline_in_awss_time_is_reached_although_the_machines_clock_is_wrong() {
        let clock = WallClock::default();
        clock.learn(system_time().plus(Duration::from_hours(2)), clock.now());
        assert!(clock.wrong_by().unwrap().is_negative());
        let deadline = clock.now().plus(Duration::from_millis(50));
        assert!(deadline > system_time().plus(Duration::from_mins(119)));
        tokio::time::timeout(Duration::from_secs(5), clock.sleep_until(deadline)).await.unwrap();
        assert!(clock.now() >= deadline);
    }
}
