//! What an SDK signs with.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Secret, TimestampExt};

/// Short-lived credentials of one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleCredentials {
    /// The access key id; not secret by itself, but shown at most by its end.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Secret,
    /// The session token.
    pub session_token: Secret,
    /// When these were received; with `expiration` it tells their whole life.
    pub issued_at: Timestamp,
    /// When AWS stops accepting them. Never altered.
    pub expiration: Timestamp,
}

impl RoleCredentials {
    /// Their whole life.
    pub fn life(&self) -> Duration {
        self.expiration.since_or_zero(self.issued_at)
    }

    /// What is left of it; zero when expired.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.expiration.since_or_zero(now)
    }
}
