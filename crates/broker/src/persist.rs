//! What goes to the store and comes back from it. The disk works on a blocking thread, one write after another.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    Clock, IdentityProvider, SecretStore, SessionName, SessionRecord, SsoSession, StoreError, TimestampExt,
};

use crate::Broker;
use crate::state::{Held, State};

/// Cached credentials are written in batches: losing the last two seconds costs one more call, no sign-in.
pub(crate) const SAVE_CREDENTIALS_AFTER: Duration = Duration::from_secs(2);
/// A failed write of the cache is tried again after this.
const SAVE_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The state that the last run left.
pub(crate) fn load(store: &impl SecretStore) -> Result<State, StoreError> {
    let mut state = State::default();
    for record in store.load_sessions()? {
        let entry = state.sessions.entry(record.name.clone()).or_default();
        entry.record = Some(record);
    }
    for cached in store.load_credentials()? {
        let entry = state.profiles.entry(cached.profile).or_default();
        entry.last_used = cached.last_used;
        entry.held = Some(Held { role: cached.role, credentials: Arc::new(cached.credentials) });
    }
    Ok(state)
}

impl<P: IdentityProvider, S: SecretStore, C: Clock> Broker<P, S, C> {
    /// Writes the cached credentials now, where they changed: for a stop.
    pub async fn save_credentials(&self) {
        if self.state().unsaved_credentials.take().is_some() {
            self.write_credentials().await;
        }
    }

    /// Writes the cached credentials. Failing costs a fetch at the next start, so it is only logged.
    pub(crate) async fn write_credentials(&self) {
        let _order = self.0.disk.lock().await;
        let now = self.now();
        let cached = self.state().cached_credentials(now);
        let store = self.0.store.clone();
        if let Err(error) = on_disk(move || store.save_credentials(&cached)).await {
            tracing::warn!(%error, "the cache of role credentials is not saved");
            self.state().unsaved_credentials.get_or_insert(now.plus(SAVE_AGAIN_AFTER));
        }
        self.wake();
    }

    /// Changes a session's record on disk first, then in memory.
    pub(crate) async fn update_record<T>(
        &self,
        session: &SsoSession,
        change: impl FnOnce(&mut SessionRecord) -> T,
    ) -> Result<(), StoreError> {
        let _order = self.0.disk.lock().await;
        let mut record = {
            let state = self.state();
            let entry = state.sessions.get(&session.name);
            entry.map_or_else(|| SessionRecord::empty(session), |entry| entry.record_for(session))
        };
        change(&mut record);
        self.save_record(&record).await?;
        self.state().sessions.entry(session.name.clone()).or_default().record = Some(record);
        Ok(())
    }

    /// Saves one record; the caller holds the disk's order.
    pub(crate) async fn save_record(&self, record: &SessionRecord) -> Result<(), StoreError> {
        let (store, record) = (self.0.store.clone(), record.clone());
        on_disk(move || store.save_session(&record)).await
    }

    /// Tries again to save a record that is newer in memory than on disk.
    pub(crate) fn start_saving_again(&self, name: &SessionName) {
        let (broker, name) = (self.clone(), name.clone());
        // Taken off now, so that the timer does not start it twice.
        if let Some(entry) = self.state().sessions.get_mut(&name) {
            entry.unsaved = None;
        }
        tokio::spawn(async move {
            let _order = broker.0.disk.lock().await;
            let record = broker.state().sessions.get(&name).and_then(|entry| entry.record.clone());
            let Some(record) = record else { return };
            if let Err(error) = broker.save_record(&record).await {
                tracing::error!(session = %name, %error, "the renewed sign-in is still in memory only");
                let again = broker.now().plus(SAVE_AGAIN_AFTER);
                if let Some(entry) = broker.state().sessions.get_mut(&name) {
                    entry.unsaved = Some(again);
                }
            }
            broker.wake();
        });
    }

    /// Forgets a session and what its profiles held.
    pub(crate) async fn forget_on_disk(&self, name: &SessionName) -> Result<(), StoreError> {
        let _order = self.0.disk.lock().await;
        let now = self.now();
        let cached = {
            let mut state = self.state();
            state.unsaved_credentials = None;
            state.cached_credentials(now)
        };
        let (store, name) = (self.0.store.clone(), name.clone());
        on_disk(move || {
            let forgotten = store.forget_session(&name);
            store.save_credentials(&cached).and(forgotten)
        })
        .await
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(StoreError(error.to_string())))
}
