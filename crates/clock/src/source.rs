//! The interface to a source of time.

use std::pin::Pin;

use ssod_model::{SignedDuration, Timestamp};

/// A sleep until a deadline.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A source of time.
pub trait TimeSource: Send + Sync + 'static {
    /// Returns the present time, as well as it is known.
    fn now(&self) -> Timestamp;

    /// Sleeps until [`now`](Self::now) has reached `deadline`. The sleep follows the wall clock: if the machine was
    /// suspended or its clock was set, it ends when the wall clock has reached the deadline. It may end early, so
    /// callers check the time again.
    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_>;

    /// Learns AWS's time from an answer that has just arrived. `asked_at` is this source's time when the request was
    /// sent. A source that can be wrong corrects itself.
    fn learn(&self, _aws_time: Timestamp, _asked_at: Timestamp) {}

    /// Returns how far the machine's clock is ahead of AWS's (behind if negative), if it is known to be wrong.
    fn wrong_by(&self) -> Option<SignedDuration> {
        None
    }
}
