//! The broker: its parts, its configuration, and what it returns about sessions and profiles.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ssod_clock::Clock;
use ssod_model::{
    IdentityProvider, Profile, ProfileName, SecretStore, SessionName, SsoSession, StoreError, Timestamp,
    TimestampExt,
};
use tokio::sync::{Notify, broadcast, watch};

use crate::choice::ProfileChoice;
use crate::event::Event;
use crate::policy::Policy;
use crate::portal::limiter::Limiter;
use crate::state::{SealReason, State};

/// How many events a slow subscriber may lag behind before it misses some.
const EVENTS: usize = 256;

/// Decides what callers get and what is renewed. Clones share one state.
pub struct Broker<P, S>(pub(crate) Arc<BrokerInner<P, S>>);

impl<P, S> Clone for Broker<P, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

pub(crate) struct BrokerInner<P, S> {
    pub(crate) provider: P,
    pub(crate) store: Arc<S>,
    pub(crate) clock: Clock,
    /// Never locked across an await.
    state: Mutex<State>,
    policy: Mutex<Arc<Policy>>,
    /// Notified when a deadline may have become earlier.
    changed: Notify,
    events: broadcast::Sender<Event>,
    pub(crate) busy_ticks: AtomicU64,
    pub(crate) ticks: watch::Sender<u64>,
    pub(crate) limiter: Arc<Limiter>,
    /// Orders the writes to the store, so an older state never replaces a newer one. It is locked during a write; the
    /// state is not.
    pub(crate) disk: Arc<tokio::sync::Mutex<()>>,
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Creates a broker that serves nothing until [`open`](Self::open).
    pub fn new(provider: P, store: Arc<S>, clock: Clock, policy: Policy) -> Self {
        Self(Arc::new(BrokerInner {
            provider,
            store,
            clock,
            state: Mutex::default(),
            limiter: Limiter::new(policy.portal_rate),
            policy: Mutex::new(Arc::new(policy)),
            changed: Notify::new(),
            events: broadcast::channel(EVENTS).0,
            busy_ticks: AtomicU64::new(0),
            ticks: watch::channel(0).0,
            disk: Arc::default(),
        }))
    }

    /// Locks the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.0.policy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Wakes the refresher, so it ticks once even if nothing is due.
    pub fn wake(&self) {
        self.0.changed.notify_one();
    }

    /// Ends when a deadline may have changed, so [`renew_due`](Self::renew_due) must be called again.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Subscribes to the events of sessions from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    pub(crate) fn send(&self, event: Event) {
        // An error means that there is no subscriber.
        let _ = self.0.events.send(event);
    }

    /// Returns the client of Identity Center, for code that performs a sign-in.
    pub fn provider(&self) -> &P {
        &self.0.provider
    }

    /// Returns how many ticks found due work. All other ticks were unnecessary.
    pub fn busy_ticks(&self) -> u64 {
        self.0.busy_ticks.load(Ordering::Relaxed)
    }

    /// Returns the number of ticks, which shows that the refresher is alive.
    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.0.ticks.subscribe()
    }

    /// Replaces the policy.
    pub fn set_policy(&self, policy: Policy) {
        self.0.limiter.set_rate(policy.portal_rate);
        *self.0.policy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.state().policy_changed();
        self.wake();
    }

    /// Applies the sessions and profiles of the AWS config file. Removed ones are no longer served, but their tokens
    /// and credentials are kept, so nothing is lost if they are added again.
    pub fn configure(
        &self,
        sessions: &BTreeMap<SessionName, SsoSession>,
        profiles: &BTreeMap<ProfileName, Profile>,
    ) {
        self.state().configured(sessions, profiles, self.now());
        self.wake();
        self.send(Event::Configured);
    }

    /// Loads the stored sessions and credentials; blocks on the disk. If the store cannot be read, nothing changes.
    pub fn open(&self) -> Result<(), StoreError> {
        let (sessions, credentials) = (self.0.store.load_sessions()?, self.0.store.load_credentials()?);
        self.state().opened(sessions, credentials);
        self.wake();
        Ok(())
    }

    /// Stops serving. The secrets stay in memory until [`seal`](Self::seal).
    pub fn begin_sealing(&self, why: SealReason) {
        self.state().begin_sealing(why);
    }

    /// Stops serving, waits for the renewals in progress (each may carry the only refresh token that is still valid),
    /// saves everything, then drops every secret. Returns the sessions whose renewed sign-in could not be saved, and is
    /// lost.
    pub async fn seal(&self, why: SealReason) -> Vec<SessionName> {
        self.begin_sealing(why.clone());
        self.finish_renewals().await;
        self.write_credentials().await;
        let _permit = self.write_permit().await;
        self.state().sealed(why)
    }

    /// Returns whether sealing would lose something: a sign-in in progress, or one that is not saved yet.
    pub fn is_busy(&self) -> bool {
        self.state().sessions().any(|(_, session)| session.is_signing_in() || session.save_at().is_some())
    }

    /// Returns the session of that name, if it is configured.
    pub fn session(&self, name: &SessionName) -> Option<Arc<SsoSession>> {
        self.state().session(name)?.config().cloned()
    }

    /// Returns the configured sessions, sorted.
    pub fn session_names(&self) -> Vec<SessionName> {
        let state = self.state();
        sorted(state.sessions().filter(|(_, entry)| entry.config().is_some()))
    }

    /// Returns the sessions that a user may sign out of, sorted; some may not be configured.
    pub fn known_sessions(&self) -> Vec<SessionName> {
        let state = self.state();
        sorted(state.sessions().filter(|(_, entry)| entry.config().is_some() || entry.record().is_some()))
    }

    /// Returns the configured profiles, sorted.
    pub fn profile_names(&self) -> Vec<ProfileName> {
        let state = self.state();
        sorted(state.profiles().filter(|(_, entry)| entry.config().is_some()))
    }

    /// Chooses the active profile, permanently or for the given duration.
    pub fn choose(&self, profile: Option<ProfileName>, duration: Option<Duration>) -> ProfileChoice {
        let now = self.now();
        let mut state = self.state();
        state.choice_mut().choose(now, profile, duration.map(|duration| now.plus(duration)));
        state.choice().at(now)
    }

    /// Restores the choice of an earlier run.
    pub fn restore_choice(&self, choice: ProfileChoice) {
        self.state().choice_mut().restore(choice);
    }

    /// Returns the choice of the active profile.
    pub fn choice(&self) -> ProfileChoice {
        let now = self.now();
        self.state().choice().at(now)
    }

    /// Records which program used a profile, which may become known only after the use.
    pub fn used_by(&self, name: &ProfileName, program: &str) {
        self.state().used_by(name, program);
    }

    /// Records that a caller used a profile; it is kept fresh from now on.
    pub fn used(&self, name: &ProfileName, by: Option<String>) {
        let (now, policy) = (self.now(), self.policy());
        if self.state().used(name, by, now, &policy) {
            self.wake();
        }
    }
}

fn sorted<'a, N: Clone + Ord + 'a, T: 'a>(entries: impl Iterator<Item = (&'a N, &'a T)>) -> Vec<N> {
    let mut names: Vec<_> = entries.map(|(name, _)| name.clone()).collect();
    names.sort();
    names
}
