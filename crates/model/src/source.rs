//! The interface between the code that serves credentials and the code that holds them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::{Profile, ProfileName, Refusal, RoleCredentials};

/// The minimum remaining life of credentials that are served, as long as AWS answers. If the life of the role is short,
/// half of it is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor(pub Duration);

impl Floor {
    /// boto fetches again for every call if less than 15 minutes remain.
    pub const CONTAINER: Self = Self(Duration::from_mins(15));
    /// If less than 25 minutes remain, boto overwrites the expiration of credentials from IMDS, and may then use them
    /// after they have expired.
    pub const IMDS: Self = Self(Duration::from_mins(25));
}

/// The answer from memory for a profile.
#[derive(Clone, Debug)]
pub enum Cached {
    /// Credentials with enough remaining life.
    Ready(Arc<RoleCredentials>),
    /// There are none in memory, but a fetch may bring some.
    Fetch,
    /// The request is refused, and a fetch would not help.
    Refused(Refusal),
}

/// Provides credentials.
pub trait CredentialSource: Send + Sync + 'static {
    /// Answers from memory, without a wait.
    fn cached(&self, profile: &ProfileName, floor: Floor) -> Cached;

    /// Fetches credentials; all callers share one fetch. Returns new credentials, or held ones that have not expired if
    /// new ones are not available, or a refusal. Dropping the future does not stop the fetch.
    fn fetch(
        &self,
        profile: &ProfileName,
        floor: Floor,
    ) -> impl Future<Output = Result<Arc<RoleCredentials>, Refusal>> + Send;

    /// Returns new credentials if they arrive within the caller's patience, else those in memory that have not expired.
    /// The fetch continues when the patience ends.
    fn fetch_within(
        &self,
        profile: &ProfileName,
        floor: Floor,
        patience: Duration,
    ) -> impl Future<Output = Result<Arc<RoleCredentials>, Refusal>> + Send;

    /// Returns the held credentials, if they have not expired, whatever their remaining life.
    fn held(&self, profile: &ProfileName) -> Option<Arc<RoleCredentials>>;

    /// Returns the profile of that name, if it is configured.
    fn profile(&self, name: &ProfileName) -> Option<Arc<Profile>>;

    /// Returns the profile that `ssod use` chose.
    fn active(&self) -> Option<ProfileName>;

    /// Returns the refusal for all requests before the vault is open and while it is locked. The endpoint tokens are
    /// unknown then, too, so no token can be checked.
    fn closed(&self) -> Option<Refusal>;
}
