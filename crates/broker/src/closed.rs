//! Whether anything is known at all: before the vault opened, and while it is locked, the broker holds no secret and hands
//! out nothing.

use std::collections::HashSet;

use ssod_model::{IdentityProvider, SecretStore, SessionName, StoreError};

use crate::broker::Broker;
use crate::phase::Closed;
use crate::state::{Held, State, is_running};

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Hands out nothing from now on; what is held stays held until [`close`](Self::close).
    pub fn stop_handing_out(&self, why: Closed) {
        self.state().closed = Some(why);
    }

    /// Whether something is under way that a lock would undo: a sign-in, or one that is not saved yet.
    pub fn is_busy(&self) -> bool {
        self.state().sessions.values().any(|session| session.signing_in > 0 || session.unsaved.is_some())
    }

    /// Takes up what the store kept. Blocks on the disk; where the store cannot be read, the broker stays closed.
    pub fn open(&self) -> Result<(), StoreError> {
        let (sessions, credentials) = (self.0.store.load_sessions()?, self.0.store.load_credentials()?);
        let mut elsewhere = HashSet::new();
        let mut state = self.state();
        for record in sessions {
            let entry = state.sessions.entry(record.name.clone()).or_default();
            let place = (record.start_url.clone(), record.region.clone());
            // Signed in elsewhere than the session now says: what that sign-in brought is not its own.
            if *entry.place.get_or_insert_with(|| place.clone()) != place {
                elsewhere.insert(record.name.clone());
            }
            entry.record = Some(record);
        }
        for cached in credentials {
            // Credentials whose session has no record were signed out of.
            let has_record =
                state.sessions.get(&cached.session).is_some_and(|session| session.record.is_some());
            if !has_record || elsewhere.contains(&cached.session) {
                continue;
            }
            let entry = state.profiles.entry(cached.profile).or_default();
            entry.last_used = entry.last_used.max(cached.last_used);
            entry.held =
                Some(Held { session: cached.session, role: cached.role, credentials: cached.credentials });
        }
        state.closed = None;
        state.forgotten = false;
        state.deadlines.mark_all();
        drop(state);
        self.wake();
        Ok(())
    }

    /// Hands out nothing from now on, brings to its end what must not be cut short (a renewal may carry the one refresh token
    /// that still works), saves everything, then drops every secret. Gives the sessions whose renewed sign-in could not be
    /// saved, and is lost.
    pub async fn close(&self, why: Closed) -> Vec<SessionName> {
        self.stop_handing_out(why);
        self.finish_renewals().await;
        self.write_credentials().await;
        let _order = self.order().await;
        self.state().forget_secrets()
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
    fn forget_secrets(&mut self) -> Vec<SessionName> {
        let mut lost = Vec::new();
        for (name, session) in &mut self.sessions {
            if session.unsaved.take().is_some() {
                lost.push(name.clone());
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
        self.forgotten = true;
        lost
    }
}
