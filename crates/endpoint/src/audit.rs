//! What the endpoint tells about each request for credentials, and to whom.

use std::sync::Arc;

use ssod_model::{ProfileName, Timestamp};

/// Who is at the other end of one connection, found when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user; `None` where the kernel did not say, which counts as a stranger.
    pub uid: Option<u32>,
    /// The inode of the caller's socket, by which its process can be found later; 0 where it is not known.
    pub inode: u32,
}

/// Over which protocol somebody asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// The container-credentials endpoint.
    Container,
    /// IMDSv2.
    Imds,
}

/// One request, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// When.
    pub at: Timestamp,
    /// Whose connection.
    pub caller: Caller,
    /// How.
    pub way: Way,
    /// For which profile, where that is known.
    pub profile: Option<ProfileName>,
    /// Nothing where credentials were served; else why not.
    pub refused: Option<String>,
}

/// Takes notes. It is called on the path of each request, so it must neither block nor fail.
pub trait Audit: Send + Sync + 'static {
    /// Notes one request.
    fn note(&self, access: Access);
}

/// Whoever takes the notes.
pub type SharedAudit = Arc<dyn Audit>;
