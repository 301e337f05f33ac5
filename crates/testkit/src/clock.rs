//! A wall clock that stands still until it is told.

use std::time::Duration;

use ssod_clock::{Sleep, TimeSource};
use ssod_model::{Timestamp, TimestampExt};
use tokio::sync::watch;

/// Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

impl ManualClock {
    /// A clock at that second of the epoch.
    pub fn at(second: i64) -> Self {
        Self(watch::channel(Timestamp::from_second(second).unwrap()).0)
    }

    /// The time that it shows.
    pub fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    /// Moves it forward; whoever sleeps until then wakes.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.plus(by));
    }

    /// Moves it back, as an administrator might.
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
            // The sender lives as long as this clock.
            let _ = now.wait_for(|now| *now >= deadline).await;
        })
    }
}
