//! One fetch per profile, however many ask.

use std::sync::Arc;

use ssod_model::{
    IdentityProvider, Profile, ProfileName, RoleCredentials, SecretStore, SsoSession, Timestamp, TimestampExt,
};
use tokio::sync::watch;

use crate::broker::Broker;
use crate::decide::{RETRY_MAX, RETRY_MIN};
use crate::limiter::Turn;
use crate::policy::Policy;
use crate::state::{Done, Failure, FailureKind, Held, Over, Running, State, role_of, to_join};
use crate::tokens::TokenError;
use crate::unsaved::Unsaved;

/// What a fetch works on, as it was when the fetch began.
struct Order {
    profile: Arc<Profile>,
    session: Arc<SsoSession>,
    generation: u64,
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Joins the fetch that is under way, or starts one where a fetch may help, for somebody who waits for it.
    pub(crate) fn start_fetch(&self, name: &ProfileName) -> Option<Done> {
        let (now, policy) = (self.now(), self.policy());
        self.begin_fetch(&mut self.state(), name, now, &policy, None)
    }

    /// The same while the state is held. The timer brings its turn; who comes without one, waits for it.
    pub(crate) fn begin_fetch(
        &self,
        state: &mut State,
        name: &ProfileName,
        now: Timestamp,
        policy: &Policy,
        turn: Option<Turn>,
    ) -> Option<Done> {
        let may_fetch = state.may_fetch(now, name, policy)?;
        let entry = state.profiles.get(name)?;
        let profile = entry.config.clone()?;
        let session = state.sessions.get(&profile.session)?;
        if let Some(done) = to_join(entry.fetch.as_ref(), session.generation) {
            return Some(done);
        }
        if !may_fetch || state.rests() {
            return None;
        }
        session.tokens()?;
        let order = Order { session: session.config.clone()?, generation: session.generation, profile };
        let (finished, done) = watch::channel(false);
        let running = Running { done: done.clone(), generation: order.generation };
        state.profiles.get_mut(name)?.fetch = Some(running);
        state.deadlines.profiles.mark(name);
        let broker = self.clone();
        tokio::spawn(async move {
            let profile = order.profile.name.clone();
            // Also where the task panics, the profile has a deadline again.
            let _over = Over(|| {
                broker.state().deadlines.profiles.mark(&profile);
                broker.wake();
            });
            let outcome = broker.fetch_credentials(&order, turn).await;
            broker.finish_fetch(&order, outcome);
            // All receivers gone means that nobody waits any more.
            let _ = finished.send(true);
        });
        Some(done)
    }

    async fn fetch_credentials(
        &self,
        order: &Order,
        turn: Option<Turn>,
    ) -> Result<RoleCredentials, TokenError> {
        let (session, profile) = (&order.session, &order.profile);
        // Somebody signed in or out before this task first ran: its answer would count for nothing.
        if self.generation(&session.name) != order.generation {
            return Err(TokenError::Waiting);
        }
        self.call_portal(&session.name, turn, |token| async move {
            self.0.provider.role_credentials(session, &token, &profile.account_id, &profile.role_name).await
        })
        .await
    }

    /// Takes the outcome over, unless the session or the profile became another one meanwhile. A failure never
    /// touches what is held.
    fn finish_fetch(&self, order: &Order, outcome: Result<RoleCredentials, TokenError>) {
        let now = self.now();
        let mut state = self.state();
        let session = state.sessions.get(&order.profile.session);
        let same_session = session.is_some_and(|entry| entry.generation == order.generation);
        let waiting = session.and_then(|entry| entry.failure.clone());
        let Some(entry) = state.profiles.get_mut(&order.profile.name) else { return };
        entry.fetch.take_if(|running| running.generation == order.generation);
        if !same_session || entry.config.as_ref() != Some(&order.profile) {
            return;
        }
        match outcome {
            Ok(credentials) if credentials.remaining(now).is_zero() => {
                tracing::error!(
                    "AWS's new credentials are over already by this machine's clock ({now}); set the clock"
                );
                let reason =
                    "new credentials are over already by this machine's clock, which seems wrong".to_owned();
                let kind = FailureKind::Other;
                entry.failure = Some(Failure { count: 1, retry_at: now.plus(RETRY_MAX), reason, kind });
            }
            Ok(credentials) => {
                tracing::debug!(profile = %order.profile.name, expiration = %credentials.expiration, "credentials fetched");
                let session = order.session.name.clone();
                entry.held =
                    Some(Held { session, role: role_of(&order.profile), credentials: Arc::new(credentials) });
                entry.failure = None;
                Unsaved::count(&mut state.unsaved_credentials, now);
            }
            // The session's own state says it all.
            Err(TokenError::SignedOut | TokenError::NotRenewable) => {}
            Err(TokenError::Waiting) => {
                let reason = "the sign-in could not be renewed yet".to_owned();
                let kind = FailureKind::NoAnswer;
                let soon = Failure { count: 0, retry_at: now.plus(RETRY_MIN), reason, kind };
                let later = waiting.filter(|failure| failure.retry_at > now);
                entry.failure = Some(later.map_or(soon, |failure| Failure { count: 0, ..failure }));
            }
            Err(TokenError::Identity(error)) => {
                let life = entry.credentials().map(|held| held.life());
                let name = &order.profile.name;
                let failure = Failure::after(&error, entry.failure.as_ref(), life, name, now);
                tracing::warn!(profile = %name, %error, retry_at = %failure.retry_at, "cannot fetch credentials");
                entry.failure = Some(failure);
            }
        }
    }
}
