//! Whether anything is known at all: before the vault opened, and while it is locked, the broker holds no secret and hands
//! out nothing.

use std::sync::Arc;

use ssod_model::{Clock, IdentityProvider, ProfileName, Refusal, SecretStore, StoreError};

use crate::Broker;
use crate::state::{Held, State, is_running};

/// Why nothing is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The vault is being opened; in a moment it is known what there is.
    Opening,
    /// Somebody, or the key store, must unlock it.
    Locked {
        /// What is the matter, as a sentence.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

impl Closed {
    pub(crate) fn refusal(&self, profile: &ProfileName) -> Refusal {
        match self {
            Self::Opening => {
                let reason = "the vault is being opened".to_owned();
                Refusal::Unavailable { profile: profile.clone(), reason }
            }
            Self::Locked { reason, remedy } => {
                Refusal::Locked { reason: reason.clone(), remedy: remedy.clone() }
            }
        }
    }
}

impl<P: IdentityProvider, S: SecretStore, C: Clock> Broker<P, S, C> {
    /// Why nothing is handed out; `None` where everything is.
    pub fn closed(&self) -> Option<Closed> {
        self.state().closed.clone()
    }

    /// Takes up what the store kept. Blocks on the disk; where the store cannot be read, the broker stays closed.
    pub fn open(&self) -> Result<(), StoreError> {
        let (sessions, credentials) = (self.0.store.load_sessions()?, self.0.store.load_credentials()?);
        let mut state = self.state();
        for record in sessions {
            let entry = state.sessions.entry(record.name.clone()).or_default();
            entry.place.get_or_insert_with(|| (record.start_url.clone(), record.region.clone()));
            entry.record = Some(record);
        }
        for cached in credentials {
            // Credentials whose session has no record were signed out of.
            if state.sessions.get(&cached.session).is_none_or(|session| session.record.is_none()) {
                continue;
            }
            let entry = state.profiles.entry(cached.profile).or_default();
            entry.last_used = entry.last_used.max(cached.last_used);
            let credentials = Arc::new(cached.credentials);
            entry.held = Some(Held { session: cached.session, role: cached.role, credentials });
        }
        state.closed = None;
        drop(state);
        self.wake();
        Ok(())
    }

    /// Hands out nothing from now on, brings to its end what must not be cut short (a renewal may carry the one refresh token
    /// that still works), saves everything, then drops every secret.
    pub async fn close(&self, why: Closed) {
        let was_open = self.state().closed.replace(why).is_none();
        if !was_open {
            return;
        }
        self.finish_renewals().await;
        self.write_credentials().await;
        let _order = self.order().await;
        self.state().forget_secrets();
    }

    /// Waits for the renewals under way, and saves what is not saved yet.
    pub(crate) async fn finish_renewals(&self) {
        let renewals: Vec<_> = {
            let state = self.state();
            let running = state.sessions.values().filter(|entry| is_running(entry.renewal.as_ref()));
            running.filter_map(|entry| Some(entry.renewal.as_ref()?.done.clone())).collect()
        };
        for mut renewal in renewals {
            // An error means that the task is gone.
            let _ = renewal.wait_for(|done| *done).await;
        }
        let unsaved: Vec<_> = {
            let state = self.state();
            let unsaved = state.sessions.iter().filter(|(_, entry)| entry.unsaved.is_some());
            unsaved.map(|(name, _)| name.clone()).collect()
        };
        for name in unsaved {
            self.save_again(&name).await;
        }
    }
}

impl State {
    /// Configuration, use and choices stay; tokens and credentials go, and work under way becomes void.
    fn forget_secrets(&mut self) {
        for (name, session) in &mut self.sessions {
            if session.unsaved.take().is_some() {
                tracing::error!(session = %name, "the renewed sign-in could not be saved, and is lost by the lock");
            }
            session.generation += 1;
            session.record = None;
            session.failure = None;
        }
        for profile in self.profiles.values_mut() {
            profile.held = None;
            profile.failure = None;
        }
        self.unsaved_credentials = None;
    }
}
