//! The broker itself: what it is made of, what it is told, what it hands out.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ssod_model::{
    Cached, Clock, CredentialSource, Floor, IdentityProvider, Profile, ProfileName, Refusal, RoleCredentials,
    SecretStore, SessionName, SsoSession, StoreError, Timestamp, TimestampExt,
};
use tokio::sync::{Notify, Semaphore};

use crate::decide::{Renew, Serve, renew_token};
use crate::state::{State, is_running};
use crate::{Active, persist};

/// Calls to the portal that may be under way at once; practitioners see 429s from about twenty a second.
const PORTAL_CALLS: usize = 5;

/// Which profiles the timer keeps fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepFresh {
    /// Those used within [`Policy::idle_after`].
    Used,
    /// All of them.
    All,
    /// These.
    Listed(BTreeSet<ProfileName>),
}

impl KeepFresh {
    pub(crate) fn covers(&self, name: &ProfileName, used_recently: bool) -> bool {
        match self {
            Self::Used => used_recently,
            Self::All => true,
            Self::Listed(names) => names.contains(name),
        }
    }
}

/// What a person can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which profiles the timer keeps fresh.
    pub keep_fresh: KeepFresh,
    /// How long an unused profile is kept fresh.
    pub idle_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { keep_fresh: KeepFresh::Used, idle_after: Duration::from_hours(12) }
    }
}

/// Decides and hands out. Clones share one state.
pub struct Broker<P, S, C>(pub(crate) Arc<Shared<P, S, C>>);

impl<P, S, C> Clone for Broker<P, S, C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

pub(crate) struct Shared<P, S, C> {
    pub(crate) provider: P,
    pub(crate) store: Arc<S>,
    pub(crate) clock: C,
    /// Never held across an await.
    state: Mutex<State>,
    policy: Mutex<Arc<Policy>>,
    /// Told when a deadline may have moved earlier.
    changed: Notify,
    pub(crate) portal: Semaphore,
    /// Orders the writes to the store, so that an older snapshot never replaces a newer one. It is held while
    /// the disk works; the state is not.
    pub(crate) disk: Arc<tokio::sync::Mutex<()>>,
}

impl<P: IdentityProvider, S: SecretStore, C: Clock> Broker<P, S, C> {
    /// A broker that knows what the store kept. Blocks on the disk; fails where the store cannot be read.
    pub fn load(provider: P, store: Arc<S>, clock: C, policy: Policy) -> Result<Self, StoreError> {
        let state = persist::load(store.as_ref())?;
        Ok(Self(Arc::new(Shared {
            provider,
            store,
            clock,
            state: Mutex::new(state),
            policy: Mutex::new(Arc::new(policy)),
            changed: Notify::new(),
            portal: Semaphore::new(PORTAL_CALLS),
            disk: Arc::default(),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.0.policy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn wake(&self) {
        self.0.changed.notify_one();
    }

    /// Ends when a deadline may have moved: look at [`next_renewal`](Self::next_renewal) again.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Identity Center, for those who drive a sign-in.
    pub fn provider(&self) -> &P {
        &self.0.provider
    }

    /// Replaces the policy.
    pub fn set_policy(&self, policy: Policy) {
        *self.0.policy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.wake();
    }

    /// Takes over the sessions and profiles of the AWS config file. What is gone is no longer served, but
    /// comes back whole if it returns.
    pub fn configure(
        &self,
        sessions: &BTreeMap<SessionName, SsoSession>,
        profiles: &BTreeMap<ProfileName, Profile>,
    ) {
        let now = self.now();
        let mut state = self.state();
        for (name, entry) in &mut state.sessions {
            if !sessions.contains_key(name) {
                entry.config = None;
            }
        }
        for (name, session) in sessions {
            let entry = state.sessions.entry(name.clone()).or_default();
            if entry.config.as_deref() == Some(session) {
                continue;
            }
            entry.config = Some(Arc::new(session.clone()));
            entry.failure = None;
            // Only another place voids what was begun: an answer may carry the one refresh token that still works.
            let place = (session.start_url.clone(), session.region.clone());
            if entry.place.replace(place.clone()).is_some_and(|known| known != place) {
                entry.generation += 1;
                state.drop_credentials(name, now);
            }
        }
        state.profiles.retain(|name, entry| entry.held.is_some() || profiles.contains_key(name));
        for (name, entry) in &mut state.profiles {
            if !profiles.contains_key(name) {
                entry.config = None;
            }
        }
        for (name, profile) in profiles {
            let entry = state.profiles.entry(name.clone()).or_default();
            if entry.config.as_deref() != Some(profile) {
                entry.config = Some(Arc::new(profile.clone()));
                entry.failure = None;
            }
        }
        drop(state);
        self.wake();
    }

    /// The session of that name.
    pub fn session(&self, name: &SessionName) -> Option<Arc<SsoSession>> {
        self.state().sessions.get(name)?.config.clone()
    }

    /// The sessions that are configured, in order.
    pub fn session_names(&self) -> Vec<SessionName> {
        let state = self.state();
        let configured = state.sessions.iter().filter(|(_, entry)| entry.config.is_some());
        let mut names: Vec<_> = configured.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// The sessions that have anything to sign out of, in order, configured or not.
    pub fn known_sessions(&self) -> Vec<SessionName> {
        let state = self.state();
        let known =
            state.sessions.iter().filter(|(_, entry)| entry.config.is_some() || entry.record.is_some());
        let mut names: Vec<_> = known.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// The profiles that are configured, in order.
    pub fn profile_names(&self) -> Vec<ProfileName> {
        let state = self.state();
        let configured = state.profiles.iter().filter(|(_, entry)| entry.config.is_some());
        let mut names: Vec<_> = configured.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Chooses the active profile, for good or for a time.
    pub fn choose(&self, profile: Option<ProfileName>, lasting: Option<Duration>) -> Active {
        let now = self.now();
        let mut state = self.state();
        state.selection.choose(now, profile, lasting.map(|lasting| now.plus(lasting)));
        state.selection.at(now)
    }

    /// Takes up the choice of an earlier run.
    pub fn restore_choice(&self, active: Active) {
        self.state().selection.restore(active);
    }

    /// What is chosen now.
    pub fn choice(&self) -> Active {
        let now = self.now();
        self.state().selection.at(now)
    }

    /// Notes that somebody used a profile; it is kept fresh from now on.
    pub fn used(&self, name: &ProfileName, by: Option<String>) {
        let now = self.now();
        let (mut state, policy) = (self.state(), self.policy());
        let Some(entry) = state.profiles.get_mut(name) else { return };
        let rested = !entry.facts(now, &policy).kept_fresh;
        entry.last_used = Some(now);
        entry.used_by = by;
        drop(state);
        if rested {
            self.wake();
        }
    }

    /// When the timer must next act; `None` when nothing is ever due.
    pub fn next_renewal(&self) -> Option<Timestamp> {
        let (now, policy) = (self.now(), self.policy());
        let state = self.state();
        let sessions = state.sessions.values().filter(|session| !is_running(session.renewal.as_ref()));
        let tokens = sessions.clone().map(|session| renew_token(now, &session.facts()));
        let unsaved = sessions.filter_map(|session| session.unsaved);
        let idle = state.profiles.iter().filter(|(_, profile)| !is_running(profile.fetch.as_ref()));
        let credentials =
            idle.filter_map(|(name, _)| Some(state.decide(now, name, Floor::CONTAINER, &policy)?.renew));
        let renewals = tokens.chain(credentials).filter_map(|renew| match renew {
            Renew::At(at) => Some(at),
            Renew::Never => None,
        });
        let save = state.unsaved_credentials.map(|since| since.plus(persist::SAVE_CREDENTIALS_AFTER));
        renewals.chain(unsaved).chain(save).min()
    }

    /// Starts everything that is due, each in a task of its own.
    pub fn renew_due(&self) {
        let (now, policy) = (self.now(), self.policy());
        let due = |renew| matches!(renew, Renew::At(at) if at <= now);
        let mut state = self.state();
        if state.stopping {
            return;
        }
        let tokens: Vec<_> = state
            .sessions
            .iter()
            .filter(|(_, session)| {
                !is_running(session.renewal.as_ref()) && due(renew_token(now, &session.facts()))
            })
            .map(|(name, _)| name.clone())
            .collect();
        let renewing: HashSet<_> = tokens.iter().cloned().collect();
        let credentials: Vec<_> = state
            .profiles
            .iter()
            .filter(|(name, profile)| {
                let session = profile.config.as_ref().map(|config| &config.session);
                // A fetch under a token that is being renewed would only wait for it.
                !is_running(profile.fetch.as_ref())
                    && !session.is_some_and(|session| renewing.contains(session))
                    && state
                        .decide(now, name, Floor::CONTAINER, &policy)
                        .is_some_and(|decision| due(decision.renew))
            })
            .map(|(name, _)| name.clone())
            .collect();
        let unsaved: Vec<_> = state
            .sessions
            .iter()
            .filter(|(_, session)| session.unsaved.is_some_and(|at| at <= now))
            .map(|(name, _)| name.clone())
            .collect();
        let save =
            state.unsaved_credentials.take_if(|since| since.plus(persist::SAVE_CREDENTIALS_AFTER) <= now);
        drop(state);
        for session in tokens {
            self.start_token_renewal(&session);
        }
        for profile in credentials {
            self.start_fetch(&profile);
        }
        for session in unsaved {
            self.start_saving_again(&session);
        }
        if save.is_some() {
            let broker = self.clone();
            tokio::spawn(async move { broker.write_credentials().await });
        }
    }

    /// The refusal in words, for a decision that is not to serve.
    pub(crate) fn refusal(serve: Serve, state: &State, profile: &Profile) -> Refusal {
        match serve {
            Serve::LoginRequired => {
                Refusal::LoginRequired { session: profile.session.clone(), profile: profile.name.clone() }
            }
            Serve::NoAccess => Refusal::NoAccess {
                profile: profile.name.clone(),
                session: profile.session.clone(),
                account_id: profile.account_id.clone(),
                role_name: profile.role_name.clone(),
            },
            Serve::Retrying | Serve::Held | Serve::HeldOrNewer | Serve::Fetch => {
                let failure = state.profiles.get(&profile.name).and_then(|entry| entry.failure.as_ref());
                let failure = failure.or_else(|| {
                    state.sessions.get(&profile.session).and_then(|entry| entry.failure.as_ref())
                });
                let reason = failure.map_or("they are being renewed", |failure| failure.reason.as_str());
                Refusal::Unavailable { profile: profile.name.clone(), reason: reason.to_owned() }
            }
        }
    }
}

impl<P: IdentityProvider, S: SecretStore, C: Clock> CredentialSource for Broker<P, S, C> {
    fn cached(&self, name: &ProfileName, floor: Floor) -> Cached {
        let (now, policy) = (self.now(), self.policy());
        let state = self.state();
        let entry = state.profiles.get(name);
        let (Some(entry), Some(decision)) = (entry, state.decide(now, name, floor, &policy)) else {
            return Cached::Refused(Refusal::ProfileNotFound(name.to_string()));
        };
        let cached = match (decision.serve, entry.credentials(), &entry.config) {
            (Serve::Held, Some(credentials), _) => Cached::Ready(credentials.clone()),
            (Serve::HeldOrNewer | Serve::Fetch, _, _) => Cached::Fetch,
            (serve, _, Some(config)) => return Cached::Refused(Self::refusal(serve, &state, config)),
            (_, _, None) => return Cached::Refused(Refusal::ProfileNotFound(name.to_string())),
        };
        drop(state);
        // Being refused is no use.
        self.used(name, None);
        cached
    }

    async fn fetch(&self, name: &ProfileName, floor: Floor) -> Result<Arc<RoleCredentials>, Refusal> {
        if let Cached::Ready(credentials) = self.cached(name, floor) {
            return Ok(credentials);
        }
        // Once more where the first one became void on its way: by a sign-in, or by a change of configuration.
        for _ in 0..2 {
            if let Some(mut done) = self.start_fetch(name) {
                // An error means that the task is gone; what it left behind is looked at all the same.
                let _ = done.wait_for(|done| *done).await;
            }
            if let Some(credentials) = self.held(name) {
                return Ok(credentials);
            }
            if !matches!(self.cached(name, floor), Cached::Fetch) {
                break;
            }
        }
        match self.cached(name, floor) {
            Cached::Ready(credentials) => Ok(credentials),
            Cached::Refused(refusal) => Err(refusal),
            Cached::Fetch => {
                let state = self.state();
                let config = state.profiles.get(name).and_then(|entry| entry.config.clone());
                Err(config.map_or_else(
                    || Refusal::ProfileNotFound(name.to_string()),
                    |config| Self::refusal(Serve::Retrying, &state, &config),
                ))
            }
        }
    }

    fn held(&self, name: &ProfileName) -> Option<Arc<RoleCredentials>> {
        let now = self.now();
        let state = self.state();
        let held = state.profiles.get(name)?.credentials()?;
        (held.expiration > now).then(|| held.clone())
    }

    fn profile(&self, name: &ProfileName) -> Option<Arc<Profile>> {
        self.state().profiles.get(name)?.config.clone()
    }

    fn active(&self) -> Option<ProfileName> {
        self.choice().profile
    }
}
