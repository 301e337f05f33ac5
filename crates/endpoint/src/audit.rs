//! What the endpoint reports to the audit log about each request for credentials.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ssod_model::{ProfileName, Timestamp};
use tokio::sync::oneshot;

/// The search among the newest processes takes some 50 microseconds; on a loaded machine the answer is sent without it.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(1);

/// The caller at the other end of a connection, identified when the connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user; `None` if the kernel did not report it, which counts as another user.
    pub uid: Option<u32>,
    /// The inode of the caller's socket, from which the daemon later finds the process; 0 if it is not known.
    pub inode: u32,
    /// The id of the cgroup in which the socket was made; `None` if it is not known.
    pub cgroup: Option<u64>,
}

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// The container-credentials endpoint.
    Container,
    /// IMDSv2.
    Imds,
}

/// The outcome of a request for credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Credentials were served.
    Served,
    /// Credentials were refused.
    Refused {
        /// The kind of refusal. It never contains anything that the caller sent.
        code: Cow<'static, str>,
        /// Why they were refused. It may contain names that the caller sent.
        reason: String,
    },
}

/// One request for credentials, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The time of the request.
    pub at: Timestamp,
    /// The caller.
    pub caller: Caller,
    /// The protocol.
    pub protocol: Protocol,
    /// The profile, if it is known.
    pub profile: Option<ProfileName>,
    /// What the caller got.
    pub outcome: Outcome,
    /// Whether it is the first recorded request of its connection, so the caller's program is not known yet.
    pub is_first: bool,
}

/// What a caller got on a connection, and may get again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The caller.
    pub caller: Caller,
    /// The protocol.
    pub protocol: Protocol,
    /// The profile whose credentials were served.
    pub profile: ProfileName,
}

/// Ends when the caller's program has been looked for.
#[derive(Debug, Default)]
pub struct Noted(Option<oneshot::Receiver<()>>);

impl Noted {
    /// Returns a value that ends when the sender is dropped.
    pub fn after(search: oneshot::Receiver<()>) -> Self {
        Self(Some(search))
    }

    /// Waits for the search, for at most a millisecond: a short command ends as soon as it has its answer, and then its
    /// program cannot be found any more.
    pub async fn wait(self) {
        if let Some(search) = self.0 {
            // Nothing is ever sent: the sender is dropped.
            let _ = tokio::time::timeout(SEARCH_TIMEOUT, search).await;
        }
    }
}

/// Records requests. It is called on the path of each request, so it must neither block nor fail.
pub trait Audit: Send + Sync + 'static {
    /// Records one request. The caller gets its answer after the returned value has ended.
    fn note(&self, access: Access) -> Noted;

    /// Returns a counter for what a connection gets again after the noted grant.
    fn repeats(&self, grant: Grant) -> Box<dyn Repeats>;
}

/// Counts the repeats of one grant. It is called on the path of nearly every request, so it costs almost nothing.
pub trait Repeats: Send + Sync + 'static {
    /// Counts one more at that time.
    fn count(&self, at: Timestamp);
}

/// A shared [`Audit`].
pub type SharedAudit = Arc<dyn Audit>;

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_a_search_and_not_for_long() {
        let (searching, search) = oneshot::channel();
        let begun = Instant::now();
        Noted::after(search).wait().await;
        assert!(begun.elapsed() <= SEARCH_TIMEOUT + Duration::from_millis(1), "{:?}", begun.elapsed());
        drop(searching);
        let (searching, search) = oneshot::channel();
        drop(searching);
        let begun = Instant::now();
        Noted::after(search).wait().await;
        Noted::default().wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "the search has ended, or there is none");
    }
}
