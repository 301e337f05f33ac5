//! The broker itself: what it is made of, what it is told, what it hands out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ssod_clock::Clock;
use ssod_model::{
    IdentityProvider, Profile, ProfileName, SecretStore, SessionName, SsoSession, Timestamp, TimestampExt,
};
use tokio::sync::{Notify, broadcast, watch};

use crate::active::Active;
use crate::event::Event;
use crate::limiter::Limiter;
use crate::phase::Closed;
use crate::policy::Policy;
use crate::state::{State, is_running};

/// Uses that follow so closely are taken for one program's until more is known.
const SAME_USE: Duration = Duration::from_secs(2);

/// Events that a slow listener may lag behind before it is told that it missed some.
const EVENTS: usize = 256;

/// Decides and hands out. Clones share one state.
pub struct Broker<P, S>(pub(crate) Arc<Shared<P, S>>);

impl<P, S> Clone for Broker<P, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

pub(crate) struct Shared<P, S> {
    pub(crate) provider: P,
    pub(crate) store: Arc<S>,
    pub(crate) clock: Clock,
    /// Never held across an await.
    state: Mutex<State>,
    policy: Mutex<Arc<Policy>>,
    /// Told when a deadline may have moved earlier.
    changed: Notify,
    events: broadcast::Sender<Event>,
    pub(crate) worked: AtomicU64,
    pub(crate) rounds: watch::Sender<u64>,
    pub(crate) portal: Arc<Limiter>,
    /// Orders the writes to the store, so that an older snapshot never replaces a newer one. It is held while
    /// the disk works; the state is not.
    pub(crate) disk: Arc<tokio::sync::Mutex<()>>,
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// A broker that knows nothing yet; see [`open`](Self::open).
    pub fn new(provider: P, store: Arc<S>, clock: Clock, policy: Policy) -> Self {
        Self(Arc::new(Shared {
            provider,
            store,
            clock,
            state: Mutex::new(State { closed: Some(Closed::Opening), forgotten: true, ..State::default() }),
            portal: Limiter::new(policy.portal_rate),
            policy: Mutex::new(Arc::new(policy)),
            changed: Notify::new(),
            events: broadcast::channel(EVENTS).0,
            worked: AtomicU64::new(0),
            rounds: watch::channel(0).0,
            disk: Arc::default(),
        }))
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

    /// Ends when a deadline may have moved: see [`renew_due`](Self::renew_due) again.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// What happens to sessions from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    pub(crate) fn tell(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.0.events.send(event);
    }

    /// Identity Center, for those who drive a sign-in.
    pub fn provider(&self) -> &P {
        &self.0.provider
    }

    /// How many looks at the clock found something that was due; any other was for nothing.
    pub fn worked(&self) -> u64 {
        self.0.worked.load(Ordering::Relaxed)
    }

    /// Counts the looks at the clock, as a sign of life.
    pub fn rounds(&self) -> watch::Receiver<u64> {
        self.0.rounds.subscribe()
    }

    /// Has the refresher look at the clock once, whatever is due.
    pub fn go_round(&self) {
        self.wake();
    }

    /// Replaces the policy.
    pub fn set_policy(&self, policy: Policy) {
        self.0.portal.set_rate(policy.portal_rate);
        *self.0.policy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.state().deadlines.mark_all();
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
        // What is under way is kept, too: a profile that comes back must not be asked for twice.
        state.profiles.retain(|name, entry| {
            entry.held.is_some() || is_running(entry.fetch.as_ref()) || profiles.contains_key(name)
        });
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
        state.deadlines.mark_all();
        drop(state);
        self.wake();
        self.tell(Event::Configured);
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

    /// Notes which program it was that used a profile, where that comes to light later than the use.
    pub fn used_by(&self, name: &ProfileName, program: &str) {
        if let Some(entry) = self.state().profiles.get_mut(name) {
            entry.used_by = Some(program.to_owned());
        }
    }

    /// Notes that somebody used a profile; it is kept fresh from now on.
    pub fn used(&self, name: &ProfileName, by: Option<String>) {
        let now = self.now();
        let (mut state, policy) = (self.state(), self.policy());
        let Some(entry) = state.profiles.get_mut(name) else { return };
        let rested = !entry.facts(now, &policy).kept_fresh;
        let before = entry.last_used.replace(now);
        // Not known yet: for a moment it counts as the one before, which it mostly is.
        let is_new = before.is_none_or(|before| now.since_or_zero(before) > SAME_USE);
        if by.is_some() || is_new {
            entry.used_by = by;
        }
        // One that is never kept fresh rests all the same.
        if rested && state.profiles.get(name).is_some_and(|entry| entry.facts(now, &policy).kept_fresh) {
            state.deadlines.profiles.mark(name);
            drop(state);
            self.wake();
        }
    }
}
