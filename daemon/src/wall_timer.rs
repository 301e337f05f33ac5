//! The machine's wall clock as something to wait for, corrected by what AWS says of the time.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ssod_model::{Clock, Correction, Reading, SignedDuration, SystemClock, Timer, Timestamp, TimestampExt};
use tokio::time::Instant;

/// How often the supervisor looks whether the wall clock went another way than the monotonic one.
const LOOK: Duration = Duration::from_secs(30);
/// It looks only while something is due within this; where nothing is, nothing wakes.
const NEAR: Duration = Duration::from_hours(1);
/// The two clocks went different ways when they differ by more than this.
const APART: Duration = Duration::from_secs(1);

/// Sleeps on the wall clock: on Linux by a timer that a suspend does not stop and a changed clock ends at once. Clones share
/// what is known of the clock.
#[derive(Clone, Debug, Default)]
pub struct WallTimer(Arc<Mutex<Correction>>);

impl WallTimer {
    fn correction(&self) -> MutexGuard<'_, Correction> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for WallTimer {
    fn now(&self) -> Timestamp {
        self.correction().now(reading())
    }

    fn heard(&self, theirs: Timestamp, asked_at: Timestamp) {
        let (at, mut correction) = (reading(), self.correction());
        let before = correction.wrong_by(at);
        correction.heard(theirs, asked_at, at);
        let after = correction.wrong_by(at);
        drop(correction);
        if let Some(by) = after.filter(|_| before.is_none()) {
            tracing::warn!("this machine's clock is {}; ssod goes by AWS's", in_words(by));
        }
    }

    fn wrong_by(&self) -> Option<SignedDuration> {
        self.correction().wrong_by(reading())
    }
}

impl Timer for WallTimer {
    async fn sleep_until(&self, deadline: Timestamp) {
        let alarm = |remaining| Alarm::at(SystemClock.now().plus(remaining)).map(Alarm::rings);
        sleep_supervised(self, || SystemClock.now(), alarm, deadline).await;
    }
}

/// Ends when `clock` has reached the deadline, or when something happened to the wall clock. The alarm rings when so much
/// time has passed on the wall clock, or that was set; where there is none, and while the deadline is near, the supervisor
/// compares the wall clock with the monotonic one.
pub async fn sleep_supervised<A: Future<Output = ()> + Send>(
    clock: &impl Clock,
    wall: impl Fn() -> Timestamp + Send,
    alarm: impl Fn(Duration) -> Option<A> + Send,
    deadline: Timestamp,
) {
    loop {
        let remaining = deadline.since_or_zero(clock.now());
        if remaining.is_zero() {
            return;
        }
        let begun = (wall(), Instant::now());
        let alarm = alarm(remaining);
        // A monotonic timer does not advance while the machine sleeps, so it must not be trusted for long.
        let look_after = if alarm.is_none() { LOOK } else { remaining.saturating_sub(NEAR).max(LOOK) };
        let rings = async {
            match alarm {
                Some(alarm) => alarm.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = rings => {}
            () = tokio::time::sleep(remaining.min(look_after)) => {}
        }
        // Something happened to the wall clock: whoever sleeps decides anew. Otherwise AWS may have told another time
        // meanwhile, and the deadline is not there yet.
        let passed = wall().duration_since(begun.0).unsigned_abs();
        if passed.abs_diff(begun.1.elapsed()) > APART {
            return;
        }
    }
}

/// "2h 5m ahead of AWS's".
pub(crate) fn in_words(wrong_by: SignedDuration) -> String {
    let minutes = wrong_by.unsigned_abs().as_secs() / 60;
    let way = if wrong_by.is_negative() { "behind" } else { "ahead of" };
    let how_far =
        if minutes < 60 { format!("{minutes}m") } else { format!("{}h {}m", minutes / 60, minutes % 60) };
    format!("{how_far} {way} AWS's")
}

/// Both clocks, now.
fn reading() -> Reading {
    #[cfg(target_os = "linux")]
    const STEADY: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    // On macOS this one runs on while the machine sleeps.
    #[cfg(not(target_os = "linux"))]
    const STEADY: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let steady = rustix::time::clock_gettime(STEADY);
    let (seconds, nanoseconds) = (steady.tv_sec.unsigned_abs(), steady.tv_nsec.unsigned_abs());
    let steady = Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds);
    Reading { wall: SystemClock.now(), steady }
}

#[cfg(target_os = "linux")]
use linux::Alarm;

/// Where there is no such timer, the supervisor does it alone.
#[cfg(not(target_os = "linux"))]
struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    fn at(_deadline: Timestamp) -> Option<Self> {
        None
    }

    async fn rings(self) {}
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use ssod_model::Timestamp;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timer on the wall clock.
    pub(super) struct Alarm(AsyncFd<OwnedFd>);

    impl Alarm {
        /// Rings at that time, or at once when the wall clock is set; `None` where the machine has no such timer.
        pub(super) fn at(deadline: Timestamp) -> Option<Self> {
            Self::arm(deadline)
                .inspect_err(|error| tracing::debug!(%error, "no wall-clock timer; looking twice a minute"))
                .ok()
        }

        fn arm(deadline: Timestamp) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
            let (seconds, nanoseconds) = (deadline.as_second(), deadline.subsec_nanosecond());
            let when = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
            };
            timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &when)?;
            #[expect(
                deprecated,
                reason = "unsound only for descriptors that can be exchanged; this one is owned"
            )]
            Ok(Self(AsyncFd::with_interest(timer, Interest::READABLE)?))
        }

        pub(super) async fn rings(self) {
            let mut expirations = [0; 8];
            // An error means that waiting is over, too: whoever waits looks at the clock again.
            while let Ok(mut ready) = self.0.readable().await {
                match rustix::io::read(self.0.get_ref(), &mut expirations) {
                    Err(Errno::AGAIN) => ready.clear_ready(),
                    Ok(_) | Err(_) => return,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_ends_at_the_deadline_and_not_before() {
        let timer = WallTimer::default();
        let deadline = timer.now().plus(Duration::from_millis(50));
        timer.sleep_until(deadline).await;
        assert!(timer.now() >= deadline);
        tokio::time::timeout(Duration::from_secs(1), timer.sleep_until(Timestamp::MIN)).await.unwrap();
    }

    #[tokio::test]
    async fn a_deadline_by_awss_time_is_waited_for_by_the_wrong_clock() {
        let timer = WallTimer::default();
        timer.heard(SystemClock.now().plus(Duration::from_hours(2)), timer.now());
        assert!(timer.wrong_by().unwrap().is_negative());
        let deadline = timer.now().plus(Duration::from_millis(50));
        assert!(deadline > SystemClock.now().plus(Duration::from_mins(119)));
        tokio::time::timeout(Duration::from_secs(5), timer.sleep_until(deadline)).await.unwrap();
        assert!(timer.now() >= deadline);
    }

    /// A wall clock that somebody sets.
    struct Wall(Arc<Mutex<(Instant, Timestamp)>>);

    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            let (at, wall) = *self.0.lock().unwrap();
            wall.plus(at.elapsed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_timer_a_clock_that_is_set_ends_the_sleep_within_half_a_minute() {
        let begun = Timestamp::from_second(1_800_000_000).unwrap();
        let wall = Wall(Arc::new(Mutex::new((Instant::now(), begun))));
        let set = wall.0.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(45)).await;
            *set.lock().unwrap() = (Instant::now(), begun.minus(Duration::from_hours(1)));
        });
        let start = Instant::now();
        let no_alarm = |_| None::<std::future::Pending<()>>;
        sleep_supervised(&wall, || wall.now(), no_alarm, begun.plus(Duration::from_mins(30))).await;
        assert_eq!(start.elapsed().as_secs(), 60, "it looks twice a minute");
    }

    #[test]
    fn how_wrong_a_clock_is_is_said_in_words() {
        assert_eq!(in_words(SignedDuration::from_mins(125)), "2h 5m ahead of AWS's");
        assert_eq!(in_words(SignedDuration::from_mins(-3)), "3m behind AWS's");
    }
}
