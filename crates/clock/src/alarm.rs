//! A timer on the wall clock (timerfd_create(2)), which also ends when the clock is set.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use ssod_model::Timestamp;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer on the wall clock.
pub(crate) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// Arms a timer for that time. Returns `None` if the machine has no such timer.
    pub(crate) fn at(deadline: Timestamp) -> Option<Self> {
        Self::arm(deadline)
            .inspect_err(
                |error| tracing::debug!(%error, "no wall-clock timer; checking the clock twice a minute"),
            )
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

    /// Ends at the time that the alarm was armed for, or as soon as the wall clock is set.
    pub(crate) async fn elapsed(self) {
        let mut expirations = [0; 8];
        // An error ends the wait, too: the caller checks the clock again.
        while let Ok(mut ready) = self.0.readable().await {
            match rustix::io::read(self.0.get_ref(), &mut expirations) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                Ok(_) | Err(_) => return,
            }
        }
    }
}
