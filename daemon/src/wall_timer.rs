//! The machine's wall clock as something to wait for.

use ssod_model::{Clock, SystemClock, Timer, Timestamp, TimestampExt};

/// Sleeps on the wall clock: on Linux by a timer that a suspend does not stop and a changed clock ends at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallTimer;

impl Clock for WallTimer {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

impl Timer for WallTimer {
    async fn sleep_until(&self, deadline: Timestamp) {
        let remaining = deadline.since_or_zero(self.now());
        if remaining.is_zero() {
            return;
        }
        #[cfg(target_os = "linux")]
        match linux::sleep_until(deadline).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "no wall-clock timer; falling back to looking twice a minute");
            }
        }
        // A monotonic timer does not advance while the machine sleeps, so it must not be trusted for long.
        tokio::time::sleep(remaining.min(std::time::Duration::from_secs(30))).await;
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use ssod_model::Timestamp;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Ends at the deadline, or early when the wall clock is set.
    pub(super) async fn sleep_until(deadline: Timestamp) -> io::Result<()> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
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
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        let mut expirations = [0; 8];
        loop {
            let mut ready = timer.readable().await?;
            match rustix::io::read(timer.get_ref(), &mut expirations) {
                // The clock was set: whoever waits looks at it again.
                Ok(_) | Err(Errno::CANCELED) => return Ok(()),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_ends_at_the_deadline_and_not_before() {
        let deadline = WallTimer.now().plus(Duration::from_millis(50));
        WallTimer.sleep_until(deadline).await;
        assert!(WallTimer.now() >= deadline);
        tokio::time::timeout(Duration::from_secs(1), WallTimer.sleep_until(Timestamp::MIN)).await.unwrap();
    }
}
