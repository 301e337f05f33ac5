//! The seam to what rests on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::{ProfileName, RoleCredentials, Secret, SessionName, SessionRecord};

/// Why the store could not do it; the sentence says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// One profile's cached credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedCredentials {
    /// Whose they are.
    pub profile: ProfileName,
    /// The session that brought them; without its record they are void.
    pub session: SessionName,
    /// The role that they are of, as "ACCOUNT/ROLE through SESSION": a cache entry is void when the
    /// profile now means another role.
    pub role: String,
    /// The credentials.
    pub credentials: Arc<RoleCredentials>,
    /// When somebody last asked for them.
    pub last_used: Option<Timestamp>,
}

/// The bearer tokens of the loopback endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointTokens {
    /// The one that follows `ssod use`.
    pub active: Option<Secret>,
    /// One for each profile.
    pub profiles: BTreeMap<ProfileName, Secret>,
}

/// Keeps secrets between two runs. Calls block on the disk; a save that returned is durable.
pub trait SecretStore: Send + Sync + 'static {
    /// Whether it waits for nothing, so that it may be called on the runtime's own threads: a simulation is then the same
    /// each time.
    fn is_immediate(&self) -> bool {
        false
    }
    /// Every session's record. What cannot be read is set aside and reported by the store, not here.
    fn load_sessions(&self) -> Result<Vec<SessionRecord>, StoreError>;
    /// Saves one session's record.
    fn save_session(&self, record: &SessionRecord) -> Result<(), StoreError>;
    /// Removes one session's record; it is no error that there is none.
    fn forget_session(&self, name: &SessionName) -> Result<(), StoreError>;
    /// The cached role credentials.
    fn load_credentials(&self) -> Result<Vec<CachedCredentials>, StoreError>;
    /// Replaces the cached role credentials.
    fn save_credentials(&self, credentials: &[CachedCredentials]) -> Result<(), StoreError>;
    /// The endpoint's tokens.
    fn load_endpoint_tokens(&self) -> Result<EndpointTokens, StoreError>;
    /// Replaces the endpoint's tokens.
    fn save_endpoint_tokens(&self, tokens: &EndpointTokens) -> Result<(), StoreError>;
}
