//! What goes to the store and comes back from it. The disk works on a blocking thread, one write after another: each
//! write holds the order until the disk is done, also where whoever waited for it went away.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    IdentityProvider, SecretStore, SessionName, SessionRecord, SsoSession, StoreError, TimestampExt,
};
use tokio::sync::OwnedMutexGuard;

use crate::broker::Broker;
use crate::state::State;
use crate::unsaved::Unsaved;

/// A failed write is tried again after this.
const SAVE_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Whoever has it may write.
pub(crate) type Order = OwnedMutexGuard<()>;

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Ends in order: nothing new is begun, renewals under way are waited for (each may carry the one refresh token that
    /// still works), and everything is written. Whoever calls it sets the limit.
    pub async fn finish(&self) {
        self.state().stopping = true;
        self.finish_renewals().await;
        // A batch that is being written is waited for, too.
        self.write_credentials().await;
    }

    /// Waits until everything before is written.
    pub(crate) async fn order(&self) -> Order {
        self.0.disk.clone().lock_owned().await
    }

    /// Writes the cached credentials. Failing costs a fetch at the next start, so it is only logged.
    pub(crate) async fn write_credentials(&self) {
        let order = self.order().await;
        let now = self.now();
        let cached = {
            let mut state = self.state();
            if state.forgotten {
                return;
            }
            state.unsaved_credentials = None;
            state.cached_credentials(now)
        };
        let store = self.0.store.clone();
        if let (_order, Err(error)) =
            on_disk(order, store, move |store| store.save_credentials(&cached)).await
        {
            tracing::warn!(%error, "the cache of role credentials is not saved");
            self.state().unsaved_credentials.get_or_insert(Unsaved::all(now.plus(SAVE_AGAIN_AFTER)));
        }
        self.wake();
    }

    /// Changes a session's record on disk first, then in memory, where `publish` does the rest in the same moment. A
    /// sign-out that came in between wins.
    pub(crate) async fn update_record(
        &self,
        session: &SsoSession,
        change: impl FnOnce(&mut SessionRecord),
        publish: impl FnOnce(&mut State),
    ) -> Result<(), StoreError> {
        let order = self.order().await;
        let (mut record, generation) = {
            let mut state = self.state();
            let entry = state.sessions.entry(session.name.clone()).or_default();
            (entry.record_for(session), entry.generation)
        };
        change(&mut record);
        let (_order, saved) = self.save_record(order, &record).await;
        saved?;
        let mut state = self.state();
        let entry = state.sessions.get_mut(&session.name).filter(|entry| entry.generation == generation);
        let Some(entry) = entry else {
            // Whoever signed out waits for the order now, and will remove what was just saved.
            return Err(StoreError(format!("session \"{}\" was signed out meanwhile", session.name)));
        };
        entry.record = Some(record);
        state.deadlines.sessions.mark(&session.name);
        publish(&mut state);
        Ok(())
    }

    /// Takes the credentials that a session brought off the disk.
    pub(crate) async fn forget_cached(&self, name: &SessionName) -> Result<(), StoreError> {
        let order = self.order().await;
        let mut cached = self.state().cached_credentials(self.now());
        cached.retain(|one| one.session != *name);
        let store = self.0.store.clone();
        on_disk(order, store, move |store| store.save_credentials(&cached)).await.1
    }

    /// Saves one record.
    pub(crate) async fn save_record(
        &self,
        order: Order,
        record: &SessionRecord,
    ) -> (Order, Result<(), StoreError>) {
        let (store, record) = (self.0.store.clone(), record.clone());
        on_disk(order, store, move |store| store.save_session(&record)).await
    }

    /// Tries again to save a record that is newer in memory than on disk.
    pub(crate) fn start_saving_again(&self, state: &mut State, name: &SessionName) {
        // Taken off now, so that the timer does not start it twice.
        if let Some(entry) = state.sessions.get_mut(name) {
            entry.unsaved = None;
        }
        let (broker, name) = (self.clone(), name.clone());
        tokio::spawn(async move { broker.save_again(&name).await });
    }

    pub(crate) async fn save_again(&self, name: &SessionName) {
        let order = self.order().await;
        let record = self.state().sessions.get(name).and_then(|entry| entry.record.clone());
        let Some(record) = record else { return };
        let (_order, saved) = self.save_record(order, &record).await;
        let again = self.now().plus(SAVE_AGAIN_AFTER);
        let mut state = self.state();
        state.deadlines.sessions.mark(name);
        if let (Err(error), Some(entry)) = (saved, state.sessions.get_mut(name)) {
            tracing::error!(session = %name, %error, "the renewed sign-in is still in memory only");
            entry.unsaved = Some(again);
        }
        drop(state);
        self.wake();
    }

    /// Forgets a session and what its profiles held, unless somebody has signed in again since.
    pub(crate) async fn forget_on_disk(&self, name: &SessionName) -> Result<(), StoreError> {
        let order = self.order().await;
        let now = self.now();
        let (kept, cached) = {
            let mut state = self.state();
            state.unsaved_credentials = None;
            let kept = state.sessions.get(name).and_then(|entry| entry.record.clone());
            (kept, state.cached_credentials(now))
        };
        let (store, name) = (self.0.store.clone(), name.clone());
        let (_order, forgotten) = on_disk(order, store, move |store| {
            let forgotten = match &kept {
                Some(record) => store.save_session(record),
                None => store.forget_session(&name),
            };
            forgotten.and(store.save_credentials(&cached))
        })
        .await;
        if forgotten.is_err() {
            self.state().unsaved_credentials.get_or_insert(Unsaved::all(now.plus(SAVE_AGAIN_AFTER)));
        }
        self.wake();
        forgotten
    }
}

/// The order goes along to the blocking thread, so that the next write waits for this one whoever gave up waiting.
async fn on_disk<S: SecretStore>(
    order: Order,
    store: Arc<S>,
    work: impl FnOnce(&S) -> Result<(), StoreError> + Send + 'static,
) -> (Order, Result<(), StoreError>) {
    if store.is_immediate() {
        return (order, work(&store));
    }
    let working = tokio::task::spawn_blocking(move || (order, work(&store)));
    match working.await {
        Ok(done) => done,
        // The pool is gone with the process, or the store panicked; either way nothing was acknowledged.
        Err(error) => {
            (Arc::new(tokio::sync::Mutex::new(())).lock_owned().await, Err(StoreError(error.to_string())))
        }
    }
}
