//! The interface to the secrets on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::{ProfileName, RoleCredentials, RoleId, Secret, SessionName, SessionRecord};

/// Why the store failed, as a sentence that includes what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// One profile's cached credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedCredentials {
    /// The profile.
    pub profile: ProfileName,
    /// The session that issued them. Without its record they are void.
    pub session: SessionName,
    /// The role that they are for. The entry is void if the profile now names another role.
    pub role: RoleId,
    /// The credentials.
    pub credentials: Arc<RoleCredentials>,
    /// When a caller last requested them.
    pub last_used: Option<Timestamp>,
}

/// The bearer tokens of the loopback endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointTokens {
    /// The tokens that shells get now.
    pub current: TokenSet,
    /// The tokens before the last renewal, which open shells may still have.
    pub previous: Option<TokenSet>,
}

/// Bearer tokens that were issued together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSet {
    /// When they were issued; `None` if an earlier version issued them.
    pub issued_at: Option<Timestamp>,
    /// The token for the active profile, which `ssod use` chooses.
    pub active: Option<Secret>,
    /// One token for each profile.
    pub profiles: BTreeMap<ProfileName, Secret>,
}

/// Stores secrets between two runs. Calls block on the disk; a save that has returned is durable.
pub trait SecretStore: Send + Sync + 'static {
    /// Returns whether calls never block, so that they may run on the threads of the runtime. That makes a simulation
    /// reproducible.
    fn is_immediate(&self) -> bool {
        false
    }
    /// Loads the records of all sessions. The store itself sets aside and reports files that it cannot read.
    fn load_sessions(&self) -> Result<Vec<SessionRecord>, StoreError>;
    /// Saves one session's record.
    fn save_session(&self, record: &SessionRecord) -> Result<(), StoreError>;
    /// Removes one session's record. It is no error if there is none.
    fn forget_session(&self, name: &SessionName) -> Result<(), StoreError>;
    /// Loads the cached role credentials.
    fn load_credentials(&self) -> Result<Vec<CachedCredentials>, StoreError>;
    /// Replaces the cached role credentials.
    fn save_credentials(&self, credentials: &[CachedCredentials]) -> Result<(), StoreError>;
    /// Loads the endpoint's tokens.
    fn load_endpoint_tokens(&self) -> Result<EndpointTokens, StoreError>;
    /// Replaces the endpoint's tokens.
    fn save_endpoint_tokens(&self, tokens: &EndpointTokens) -> Result<(), StoreError>;
}
