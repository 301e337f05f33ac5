//! What the endpoint reports to the audit log about each request for credentials.

use std::sync::Arc;

use ssod_model::{ProfileName, Timestamp};

/// The caller at the other end of a connection, identified when the connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user; `None` if the kernel did not report it, which counts as another user.
    pub uid: Option<u32>,
    /// The inode of the caller's socket, from which the daemon later finds the process; 0 if it is not known.
    pub inode: u32,
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
        /// Why they were refused.
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
}

/// Records requests. It is called on the path of each request, so it must neither block nor fail.
pub trait Audit: Send + Sync + 'static {
    /// Records one request.
    fn note(&self, access: Access);
}

/// A shared [`Audit`].
pub type SharedAudit = Arc<dyn Audit>;
