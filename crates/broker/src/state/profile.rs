//! One profile: its configuration, its credentials, and the fetch of them.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    CachedCredentials, Profile, ProfileName, RoleCredentials, RoleId, SessionName, SsoSession, Timestamp,
    TimestampExt,
};

use super::in_flight::{InFlight, is_in_flight};
use super::retry::RetryState;
use crate::decide::{Lifetime, ProfileFacts, seed};
use crate::policy::Policy;

/// One profile. Like a session, it outlives its configuration.
#[derive(Default)]
pub(crate) struct ProfileEntry {
    pub(super) config: Option<Arc<Profile>>,
    pub(super) held: Option<HeldCredentials>,
    pub(super) retry: Option<RetryState>,
    pub(super) fetch: Option<InFlight>,
    pub(super) last_used: Option<Timestamp>,
    pub(super) used_by: Option<String>,
}

/// Credentials, and the role that they are for.
pub(super) struct HeldCredentials {
    pub(super) session: SessionName,
    pub(super) role: RoleId,
    pub(super) credentials: Arc<RoleCredentials>,
}

/// What a fetch works on, as it was when the fetch started.
pub(crate) struct FetchJob {
    /// The profile.
    pub(crate) profile: Arc<Profile>,
    /// Its session.
    pub(crate) session: Arc<SsoSession>,
    /// The session's generation.
    pub(crate) generation: u64,
    /// When the fetch started.
    pub(crate) started_at: Timestamp,
}

impl HeldCredentials {
    /// Makes equal names share their text with those of the configuration: those that were loaded from the disk have
    /// texts of their own.
    pub(super) fn share_names(&mut self, config: &Profile) {
        if self.role.is_of(config) {
            self.role = RoleId::from(config);
        }
        if self.session == config.session {
            self.session = config.session.clone();
        }
    }
}

impl ProfileEntry {
    /// Returns the profile as it is configured now.
    pub(crate) fn config(&self) -> Option<&Arc<Profile>> {
        self.config.as_ref()
    }

    /// Returns the state of the retries, if the last fetch failed.
    pub(crate) fn retry(&self) -> Option<&RetryState> {
        self.retry.as_ref()
    }

    /// Returns when a caller last used it.
    pub(crate) fn last_used(&self) -> Option<Timestamp> {
        self.last_used
    }

    /// Returns the program that used it last, if that is known.
    pub(crate) fn used_by(&self) -> Option<&str> {
        self.used_by.as_deref()
    }

    /// Returns whether any credentials are in memory, even those of a role that the profile no longer names.
    #[cfg(test)]
    pub(crate) fn holds_credentials(&self) -> bool {
        self.held.is_some()
    }

    /// Returns the credentials, if they are for the role that the profile names now.
    pub(crate) fn credentials(&self) -> Option<&Arc<RoleCredentials>> {
        let config = self.config.as_ref()?;
        self.held.as_ref().filter(|held| held.role.is_of(config)).map(|held| &held.credentials)
    }

    /// Returns when its credentials were issued and when they expire.
    pub(super) fn lifetime(&self) -> Option<Lifetime> {
        let held = self.credentials()?;
        Some(Lifetime { issued_at: held.issued_at, expires_at: held.expiration })
    }

    /// Returns what the policy needs to know.
    pub(crate) fn facts(&self, now: Timestamp, policy: &Policy) -> ProfileFacts {
        let name = self.config.as_ref().map(|config| &config.name);
        let recently = self.last_used.is_some_and(|used| now.since_or_zero(used) < policy.idle_after);
        ProfileFacts {
            held: self.lifetime(),
            failure: self.retry.as_ref().map(RetryState::failure),
            kept_fresh: name.is_some_and(|name| policy.keep_fresh.covers(name, recently)),
            fetching: is_in_flight(self.fetch.as_ref()),
            seed: seed(name),
        }
    }

    /// Returns the cache entry for the disk, if there are unexpired credentials.
    pub(super) fn cached(&self, name: &ProfileName, now: Timestamp) -> Option<CachedCredentials> {
        let held = self.held.as_ref().filter(|held| held.credentials.remaining(now) > Duration::ZERO)?;
        Some(CachedCredentials {
            profile: name.clone(),
            session: held.session.clone(),
            role: held.role.clone(),
            credentials: held.credentials.clone(),
            last_used: self.last_used,
        })
    }
}
