//! A wall clock that stands still until it is told.

use std::time::Duration;

use ssod_model::{Clock, Timer, Timestamp, TimestampExt};
use tokio::sync::watch;

/// Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

impl ManualClock {
    /// A clock at that second of the epoch.
    pub fn at(second: i64) -> Self {
        Self(watch::channel(Timestamp::from_second(second).unwrap()).0)
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

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }
}

impl Timer for ManualClock {
    async fn sleep_until(&self, deadline: Timestamp) {
        let mut now = self.0.subscribe();
        // The sender lives as long as this clock.
        let _ = now.wait_for(|now| *now >= deadline).await;
    }
}
