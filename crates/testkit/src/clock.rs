//! A manual clock, whose time changes only when a test changes it.

use std::time::Duration;

use ssod_clock::{Sleep, TimeSource};
use ssod_model::{Timestamp, TimestampExt};
use tokio::sync::watch;

/// A wall clock for tests. Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

impl ManualClock {
    /// Returns a clock that shows this second since the epoch.
    pub fn at(second: i64) -> Self {
        Self(watch::channel(Timestamp::from_second(second).unwrap()).0)
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    /// Advances the time, and wakes the tasks whose deadline it reaches.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.plus(by));
    }

    /// Sets the time back, as an administrator might.
    pub fn step_back(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.minus(by));
    }
}

impl TimeSource for ManualClock {
    fn now(&self) -> Timestamp {
        self.now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            // Fails only if there is no sender, but this clock is a sender.
            let _ = now.wait_for(|now| *now >= deadline).await;
        })
    }
}
