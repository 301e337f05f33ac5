//! Writes to the store. They run on a blocking thread, one after another: each write holds the permit until it is
//! complete, even if its caller stopped waiting.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    IdentityProvider, SecretStore, SessionName, SessionRecord, SsoSession, StoreError, TimestampExt,
};
use tokio::sync::OwnedMutexGuard;

use crate::broker::Broker;
use crate::state::{SessionEntry, State};

/// The delay before a failed write is retried.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The permission to write to the store. Only one exists at a time.
pub(crate) type WritePermit = OwnedMutexGuard<()>;

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Completes all work before the daemon stops: starts nothing new, waits for the renewals in progress (each may
    /// carry the only refresh token that is still valid), and writes everything. The caller sets the time limit.
    pub async fn finish(&self) {
        self.state().stopping();
        self.finish_renewals().await;
        // This also waits for a write that is in progress.
        self.write_credentials().await;
    }

    /// Waits for the renewals in progress, and saves the records that are not saved yet.
    pub(crate) async fn finish_renewals(&self) {
        let renewals: Vec<_> = self.state().sessions().filter_map(|(_, session)| session.renewal()).collect();
        for renewal in renewals {
            renewal.wait().await;
        }
        for name in self.unsaved_sessions() {
            self.save_again(&name).await;
        }
    }

    fn unsaved_sessions(&self) -> Vec<SessionName> {
        let state = self.state();
        let unsaved = state.sessions().filter(|(_, session)| session.save_at().is_some());
        unsaved.map(|(name, _)| name.clone()).collect()
    }

    /// Waits until all earlier writes have ended.
    pub(crate) async fn write_permit(&self) -> WritePermit {
        self.0.disk.clone().lock_owned().await
    }

    /// Writes the cached credentials. A failure costs a fetch at the next start, so it is only logged.
    pub(crate) async fn write_credentials(&self) {
        let permit = self.write_permit().await;
        let now = self.now();
        let cached = {
            let mut state = self.state();
            if !state.holds_secrets() {
                return;
            }
            state.credentials_to_save(now)
        };
        let store = self.0.store.clone();
        if let (_permit, Err(error)) =
            on_disk(permit, store, move |store| store.save_credentials(&cached)).await
        {
            tracing::warn!(%error, "the cache of role credentials is not saved");
            self.state().credentials_not_saved(now.plus(RETRY_AFTER));
        }
        self.wake();
    }

    /// Changes a session's record on disk, then in memory by `publish`, which returns whether the change was applied:
    /// it is not if the user signed out meanwhile.
    pub(crate) async fn update_record(
        &self,
        session: &SsoSession,
        change: impl FnOnce(&mut SessionRecord),
        publish: impl FnOnce(&mut State, u64, SessionRecord) -> bool,
    ) -> Result<(), StoreError> {
        let permit = self.write_permit().await;
        let (mut record, generation) = self.state().record_to_change(session);
        change(&mut record);
        let (_permit, saved) = self.save_record(permit, &record).await;
        saved?;
        if publish(&mut self.state(), generation, record) {
            Ok(())
        } else {
            // The sign-out waits for the permit, and will remove the record that was just saved.
            Err(StoreError(format!("session \"{}\" was signed out meanwhile", session.name)))
        }
    }

    /// Removes the cached credentials of a session from the disk.
    pub(crate) async fn forget_cached(&self, name: &SessionName) -> Result<(), StoreError> {
        let permit = self.write_permit().await;
        let mut cached = self.state().cached_credentials(self.now());
        cached.retain(|credentials| credentials.session != *name);
        let store = self.0.store.clone();
        on_disk(permit, store, move |store| store.save_credentials(&cached)).await.1
    }

    /// Saves one record.
    pub(crate) async fn save_record(
        &self,
        permit: WritePermit,
        record: &SessionRecord,
    ) -> (WritePermit, Result<(), StoreError>) {
        let (store, record) = (self.0.store.clone(), record.clone());
        on_disk(permit, store, move |store| store.save_session(&record)).await
    }

    /// Starts a task that saves a record whose last save failed.
    pub(crate) fn start_saving_again(&self, state: &mut State, name: &SessionName) {
        state.record_save_started(name);
        let (broker, name) = (self.clone(), name.clone());
        tokio::spawn(async move { broker.save_again(&name).await });
    }

    async fn save_again(&self, name: &SessionName) {
        let permit = self.write_permit().await;
        let record = self.state().session(name).and_then(SessionEntry::record).cloned();
        let Some(record) = record else { return };
        let (_permit, saved) = self.save_record(permit, &record).await;
        let retry_at = saved.is_err().then(|| self.now().plus(RETRY_AFTER));
        self.state().record_save_ended(name, retry_at);
        if let Err(error) = saved {
            tracing::error!(session = %name, %error, "the renewed sign-in is still in memory only");
        }
        self.wake();
    }

    /// Removes a session and its credentials from the disk, unless the user has signed in again meanwhile.
    pub(crate) async fn forget_on_disk(&self, name: &SessionName) -> Result<(), StoreError> {
        let permit = self.write_permit().await;
        let now = self.now();
        let (record, cached) = {
            let mut state = self.state();
            (state.session(name).and_then(SessionEntry::record).cloned(), state.credentials_to_save(now))
        };
        let (store, name) = (self.0.store.clone(), name.clone());
        let (_permit, forgotten) = on_disk(permit, store, move |store| {
            let forgotten = match &record {
                Some(record) => store.save_session(record),
                None => store.forget_session(&name),
            };
            forgotten.and(store.save_credentials(&cached))
        })
        .await;
        if forgotten.is_err() {
            self.state().credentials_not_saved(now.plus(RETRY_AFTER));
        }
        self.wake();
        forgotten
    }
}

/// Runs one write. The permit moves to the blocking thread, so the next write waits for this one even if the caller
/// stopped waiting.
async fn on_disk<S: SecretStore>(
    permit: WritePermit,
    store: Arc<S>,
    work: impl FnOnce(&S) -> Result<(), StoreError> + Send + 'static,
) -> (WritePermit, Result<(), StoreError>) {
    if store.is_immediate() {
        return (permit, work(&store));
    }
    let working = tokio::task::spawn_blocking(move || (permit, work(&store)));
    match working.await {
        Ok(finished) => finished,
        // The process ends, or the store panicked. In both cases the write was not acknowledged.
        Err(error) => {
            (Arc::new(tokio::sync::Mutex::new(())).lock_owned().await, Err(StoreError(error.to_string())))
        }
    }
}
