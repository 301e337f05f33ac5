//! What time it is, and sleeping until a deadline.
//!
//! Every crate that decides by the time takes a [`Clock`]. The daemon's is a [`WallClock`]; tests and the simulation pass a
//! [`TimeSource`] of their own, so they control the time.

#[cfg(target_os = "linux")]
mod alarm;
mod correction;
mod supervisor;
mod wall_clock;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use ssod_model::{SignedDuration, Timestamp};

pub use correction::{Correction, Reading, describe_clock_error};
pub use supervisor::sleep_supervised;
pub use wall_clock::WallClock;

/// A sleep until a deadline.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Where the time comes from.
pub trait TimeSource: Send + Sync + 'static {
    /// Returns the present time, as well as it is known.
    fn now(&self) -> Timestamp;

    /// Sleeps until [`now`](Self::now) has reached `deadline`. The sleep follows the wall clock: if the machine was suspended
    /// or its clock was set, it ends when the wall clock says so. It may end early, so callers check the time again.
    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_>;

    /// Learns AWS's time from an answer that has just arrived. `asked_at` is this source's time when the request was sent.
    /// A source that can be wrong corrects itself.
    fn learn(&self, _aws_time: Timestamp, _asked_at: Timestamp) {}

    /// Returns how far the machine's clock is ahead of AWS's (behind if negative), if it is known to be wrong.
    fn wrong_by(&self) -> Option<SignedDuration> {
        None
    }
}

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
