//! What is known about each session and profile, and the facts that decisions need of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    CachedCredentials, Floor, IdentityError, Profile, ProfileName, Region, RoleCredentials, SessionName,
    SessionRecord, SessionTokens, SsoSession, StartUrl, Timestamp, TimestampExt,
};
use tokio::sync::watch;

use crate::active::Selection;
use crate::deadlines::Deadlines;
use crate::decide::{
    Decision, Lifetime, ProfileFacts, REFUSED_RETRY, RETRY_MAX, RETRY_MIN, SessionFacts, Setback, Standing,
    backoff, decide, is_waiting, jitter, may_fetch, seed,
};
use crate::phase::Closed;
use crate::policy::Policy;
use crate::unsaved::Unsaved;

/// Becomes true when the work is over, whatever came of it.
pub(crate) type Done = watch::Receiver<bool>;

/// Work under way, and the session's generation that it is for.
pub(crate) struct Running {
    pub(crate) done: Done,
    pub(crate) generation: u64,
}

impl Running {
    /// Whether its task still lives; one that panicked must not be waited for ever after.
    fn is_alive(&self) -> bool {
        self.done.has_changed().is_ok()
    }
}

/// Does it when a piece of work is over, however it ended.
pub(crate) struct Over<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for Over<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Whether work is under way.
pub(crate) fn is_running(running: Option<&Running>) -> bool {
    running.is_some_and(Running::is_alive)
}

/// The work that is under way for that generation; work for an older one is void, and nobody waits for it.
pub(crate) fn to_join(running: Option<&Running>, generation: u64) -> Option<Done> {
    running
        .filter(|running| running.is_alive() && running.generation == generation)
        .map(|running| running.done.clone())
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) sessions: HashMap<SessionName, SessionEntry>,
    pub(crate) profiles: HashMap<ProfileName, ProfileEntry>,
    pub(crate) selection: Selection,
    pub(crate) deadlines: Deadlines,
    /// How much older the cached credentials on disk are than those in memory.
    pub(crate) unsaved_credentials: Option<Unsaved>,
    /// Why nothing is handed out and nothing begun, where that is so.
    pub(crate) closed: Option<Closed>,
    /// What was kept is not in memory: there is nothing to save, and nothing must be saved as nothing.
    pub(crate) forgotten: bool,
    /// The daemon ends: nothing new is begun.
    pub(crate) stopping: bool,
}

/// One session. It outlives its configuration, so that an editor's half-saved file costs nobody a sign-in.
#[derive(Default)]
pub(crate) struct SessionEntry {
    pub(crate) config: Option<Arc<SsoSession>>,
    /// Where it was configured to sign in last, kept while it is not configured.
    pub(crate) place: Option<(StartUrl, Region)>,
    pub(crate) record: Option<SessionRecord>,
    /// Grows with each sign-in, sign-out and change of configuration (not with a renewal): work that was
    /// begun under an older one is void.
    pub(crate) generation: u64,
    /// Why a session that was signed in no longer is.
    pub(crate) ended: Option<String>,
    pub(crate) signing_in: usize,
    pub(crate) failure: Option<Failure>,
    pub(crate) renewal: Option<Running>,
    /// The record in memory is newer than the one on disk: saving failed, and is tried again.
    pub(crate) unsaved: Option<Timestamp>,
}

/// Failures in a row.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) count: u32,
    pub(crate) retry_at: Timestamp,
    pub(crate) reason: String,
    pub(crate) kind: FailureKind,
}

/// What a failure means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// No usable answer: another network may bring one.
    NoAnswer,
    /// AWS says no.
    Refused,
    /// AWS, or this machine's clock, must be waited for.
    Other,
}

impl Failure {
    /// The failure after that error: how long to wait depends on what it was, and on how many came before.
    pub(crate) fn after(
        error: &IdentityError,
        before: Option<&Self>,
        life: Option<Duration>,
        of: impl Hash,
        now: Timestamp,
    ) -> Self {
        let count = before.map_or(0, |failure| failure.count).saturating_add(1);
        let drawn = |asked| backoff(count, asked, life, seed((of, count, now)));
        let wait = match error {
            IdentityError::NoAccess => REFUSED_RETRY,
            IdentityError::Rejected(_) => RETRY_MAX,
            IdentityError::Throttled { retry_after } => drawn(*retry_after),
            _ => drawn(None),
        };
        let kind = match error {
            IdentityError::NoAccess => FailureKind::Refused,
            IdentityError::Unavailable(_) => FailureKind::NoAnswer,
            _ => FailureKind::Other,
        };
        Self { count, retry_at: now.plus(wait), reason: error.to_string(), kind }
    }

    /// Ends the wait for an answer, all but a moment that is another one for each name; tells whether there was one. The
    /// failures still count: a network that comes and goes makes no storm.
    pub(crate) fn end_wait(&mut self, of: impl Hash, now: Timestamp) -> bool {
        let soon = now.plus(jitter(RETRY_MIN * 10, seed(of)));
        let waits =
            self.kind == FailureKind::NoAnswer && is_waiting(now, self.retry_at) && soon < self.retry_at;
        if waits {
            self.retry_at = soon;
        }
        waits
    }
}

impl SessionEntry {
    /// The tokens, if they were made for the session as it is configured now.
    pub(crate) fn tokens(&self) -> Option<&SessionTokens> {
        let (config, record) = (self.config.as_ref()?, self.record.as_ref()?);
        record.tokens.as_ref().filter(|_| record.belongs_to(config))
    }

    pub(crate) fn facts(&self) -> SessionFacts {
        let standing = self.tokens().map_or(Standing::SignedOut, |tokens| Standing::SignedIn {
            token: Lifetime { issued_at: tokens.issued_at, expires_at: tokens.expires_at },
            refreshable: tokens.refresh_token.is_some(),
        });
        let name = self.config.as_ref().map(|config| &config.name);
        SessionFacts {
            standing,
            retry_at: self.failure.as_ref().map(|failure| failure.retry_at),
            seed: seed(name),
        }
    }

    /// The record to write to: the present one, or an empty one where it belongs to another configuration.
    pub(crate) fn record_for(&self, config: &SsoSession) -> SessionRecord {
        self.record
            .clone()
            .filter(|record| record.belongs_to(config))
            .unwrap_or_else(|| SessionRecord::empty(config))
    }
}

/// One profile; like a session, it outlives its configuration.
#[derive(Default)]
pub(crate) struct ProfileEntry {
    pub(crate) config: Option<Arc<Profile>>,
    pub(crate) held: Option<Held>,
    pub(crate) failure: Option<Failure>,
    pub(crate) fetch: Option<Running>,
    pub(crate) last_used: Option<Timestamp>,
    pub(crate) used_by: Option<String>,
}

/// Credentials and the role that they are of.
pub(crate) struct Held {
    pub(crate) session: SessionName,
    pub(crate) role: String,
    pub(crate) credentials: Arc<RoleCredentials>,
}

impl ProfileEntry {
    /// The credentials, if they are of the role that the profile means now.
    pub(crate) fn credentials(&self) -> Option<&Arc<RoleCredentials>> {
        let config = self.config.as_ref()?;
        self.held.as_ref().filter(|held| held.role == role_of(config)).map(|held| &held.credentials)
    }

    pub(crate) fn facts(&self, now: Timestamp, policy: &Policy) -> ProfileFacts {
        let name = self.config.as_ref().map(|config| &config.name);
        let recently = self.last_used.is_some_and(|used| now.since_or_zero(used) < policy.idle_after);
        ProfileFacts {
            held: self
                .credentials()
                .map(|held| Lifetime { issued_at: held.issued_at, expires_at: held.expiration }),
            setback: self.failure.as_ref().map(|failure| {
                let retry_at = failure.retry_at;
                match failure.kind {
                    FailureKind::Refused => Setback::Refused { retry_at },
                    FailureKind::NoAnswer | FailureKind::Other => Setback::Transient { retry_at },
                }
            }),
            kept_fresh: name.is_some_and(|name| policy.keep_fresh.covers(name, recently)),
            seed: seed(name),
        }
    }
}

impl State {
    /// Whether nothing new is begun.
    pub(crate) fn rests(&self) -> bool {
        self.stopping || self.closed.is_some()
    }

    /// The decision for a configured profile; `None` for any other.
    pub(crate) fn decide(
        &self,
        now: Timestamp,
        name: &ProfileName,
        floor: Floor,
        policy: &Policy,
    ) -> Option<Decision> {
        let profile = self.profiles.get(name)?;
        let config = profile.config.as_ref()?;
        let session = self.sessions.get(&config.session)?;
        Some(decide(now, &session.facts(), &profile.facts(now, policy), floor))
    }

    /// Whether a fetch for that profile may bring something.
    pub(crate) fn may_fetch(&self, now: Timestamp, name: &ProfileName, policy: &Policy) -> Option<bool> {
        let profile = self.profiles.get(name)?;
        let session = self.sessions.get(&profile.config.as_ref()?.session)?;
        Some(may_fetch(now, &session.facts(), &profile.facts(now, policy)))
    }

    /// The credentials worth keeping over a restart.
    pub(crate) fn cached_credentials(&self, now: Timestamp) -> Vec<CachedCredentials> {
        let entry = |(name, profile): (&ProfileName, &ProfileEntry)| {
            let held =
                profile.held.as_ref().filter(|held| held.credentials.remaining(now) > Duration::ZERO)?;
            Some(CachedCredentials {
                profile: name.clone(),
                session: held.session.clone(),
                role: held.role.clone(),
                credentials: held.credentials.clone(),
                last_used: profile.last_used,
            })
        };
        self.profiles.iter().filter_map(entry).collect()
    }

    /// Drops the credentials that a session brought, whether or not their profile is configured now, and the failures of
    /// its profiles; says until when the dropped ones remain valid at AWS.
    pub(crate) fn drop_credentials(
        &mut self,
        session: &SessionName,
        now: Timestamp,
    ) -> Vec<(ProfileName, Timestamp)> {
        let mut dropped = Vec::new();
        for (name, profile) in &mut self.profiles {
            if profile.config.as_ref().is_some_and(|config| config.session == *session) {
                profile.failure = None;
                self.deadlines.profiles.mark(name);
            }
            if let Some(held) = profile.held.take_if(|held| held.session == *session)
                && held.credentials.expiration > now
            {
                dropped.push((name.clone(), held.credentials.expiration));
            }
        }
        self.unsaved_credentials.get_or_insert(Unsaved::all(now));
        dropped
    }
}

/// What a profile's credentials are of; a change of any part makes older ones void.
pub(crate) fn role_of(profile: &Profile) -> String {
    format!("{}/{} through {}", profile.account_id, profile.role_name, profile.session)
}
