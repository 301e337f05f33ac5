//! The handle through which every crate reads the time.

use std::fmt;
use std::sync::Arc;

use ssod_model::{SignedDuration, Timestamp};

use crate::source::TimeSource;

/// A handle to a [`TimeSource`]. Clones are cheap and share the source.
#[derive(Clone)]
pub struct Clock(Arc<dyn TimeSource>);

impl Clock {
    /// Returns the present time, as well as it is known.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Sleeps until the deadline by the wall clock; see [`TimeSource::sleep_until`]. Without a deadline it never ends.
    pub async fn sleep_until(&self, deadline: impl Into<Option<Timestamp>>) {
        match deadline.into() {
            Some(deadline) => self.0.sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    /// Learns AWS's time from an answer that has just arrived to a request that was sent at `asked_at`.
    pub fn learn(&self, aws_time: Timestamp, asked_at: Timestamp) {
        self.0.learn(aws_time, asked_at);
    }

    /// Returns how far the machine's clock is ahead of AWS's (behind if negative), if it is known to be wrong.
    pub fn wrong_by(&self) -> Option<SignedDuration> {
        self.0.wrong_by()
    }
}

impl<T: TimeSource> From<T> for Clock {
    fn from(source: T) -> Self {
        Self(Arc::new(source))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Clock").field(&self.now()).finish()
    }
}
