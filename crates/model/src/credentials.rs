//! The credentials that an SDK signs with.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Secret, TimestampExt};

/// Short-lived credentials of one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleCredentials {
    /// The access key id. It is not a secret, but at most its last characters are shown.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Secret,
    /// The session token.
    pub session_token: Secret,
    /// When they were received. Their whole life is from here to `expiration`.
    pub issued_at: Timestamp,
    /// When AWS stops accepting them, exactly as AWS returned it.
    pub expiration: Timestamp,
}

impl RoleCredentials {
    /// Returns their whole life.
    pub fn life(&self) -> Duration {
        self.expiration.since_or_zero(self.issued_at)
    }

    /// Returns how much of it is left; zero if they have expired.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.expiration.since_or_zero(now)
    }
}
