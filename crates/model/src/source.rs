//! The seam between those who serve credentials and those who keep them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::{Profile, ProfileName, Refusal, RoleCredentials};

/// The least life that credentials should have left when they are handed out, where AWS answers and the
/// role's own life allows it; otherwise half the role's life counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor(pub Duration);

impl Floor {
    /// boto refetches at every call once less than 15 minutes are left.
    pub const CONTAINER: Self = Self(Duration::from_mins(15));
    /// boto overwrites the expiry of what it got by IMDS with less than 25 minutes left, and may then use
    /// it past its end.
    pub const IMDS: Self = Self(Duration::from_mins(25));
}

/// What memory says about a profile.
#[derive(Clone, Debug)]
pub enum Cached {
    /// Good credentials.
    Ready(Arc<RoleCredentials>),
    /// Nothing good enough in memory, but a fetch may bring it.
    Fetch,
    /// Not granted, and a fetch would not help.
    Refused(Refusal),
}

/// Who hands out credentials.
pub trait CredentialSource: Send + Sync + 'static {
    /// Answers from memory, at once.
    fn cached(&self, profile: &ProfileName, floor: Floor) -> Cached;

    /// Fetches, sharing one fetch between all who ask. It brings new credentials, or those that are still
    /// good when new ones cannot be had, or a refusal. Dropping the future does not stop the fetch.
    fn fetch(
        &self,
        profile: &ProfileName,
        floor: Floor,
    ) -> impl Future<Output = Result<Arc<RoleCredentials>, Refusal>> + Send;

    /// Returns new credentials if they arrive within the caller's patience, else those in memory that have not expired. The
    /// fetch continues when the patience ends.
    fn fetch_within(
        &self,
        profile: &ProfileName,
        floor: Floor,
        patience: Duration,
    ) -> impl Future<Output = Result<Arc<RoleCredentials>, Refusal>> + Send;

    /// What is held and unexpired, whatever its remaining life.
    fn held(&self, profile: &ProfileName) -> Option<Arc<RoleCredentials>>;

    /// The profile of that name.
    fn profile(&self, name: &ProfileName) -> Option<Arc<Profile>>;

    /// The profile that `ssod use` chose.
    fn active(&self) -> Option<ProfileName>;

    /// The refusal that everybody gets before the vault is open and while it is locked; even whether a token is right is
    /// not known then.
    fn closed(&self) -> Option<Refusal>;
}
