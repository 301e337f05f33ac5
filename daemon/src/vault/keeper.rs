//! Opens the vault independently of requests, retries after a failure, and locks it when the user asks for it or was
//! idle.

mod maintenance;
mod presence;
mod tokens;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use ssod_clock::Clock;
use ssod_control::Paths;
use ssod_model::{SecretStore, SessionName, Timestamp, TimestampExt};
use ssod_vault::{KeyStore, KeyStoreChoice, KeyStoreError, RekeyError, Vault, find_or_create_key};
use tokio::sync::{Mutex, MutexGuard, Notify, watch};

use super::endpoint_tokens::LiveEndpointTokens;
use super::outcome::{NewKey, RekeyFailure, UnlockError};
use super::state::{VaultState, locked_reason};
use crate::audit::AuditLog;
use crate::config::live_settings::LiveSettings;
use crate::live_broker::LiveBroker;
use crate::shutdown::Shutdown;
use crate::state_file::StateFile;

/// How long the start waits for the key before SDKs get the refusal that the vault is being opened. A key store
/// normally takes up to a quarter of a second.
const START_TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest delay before a failed key store is tried again.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest delay before a failed key store is tried again.
const RETRY_MAX: Duration = Duration::from_mins(1);
/// The interval at which the idle lock checks again whether a sign-in is still in progress.
const BUSY_DELAY: Duration = Duration::from_secs(30);
/// How often the key is read: the kernel deletes a key that was not used for three days (keyrings(7)).
const TOUCH_INTERVAL: Duration = Duration::from_hours(24);

/// Opens, locks and rekeys the vault. Clones share one state.
#[derive(Clone)]
pub(crate) struct VaultKeeper(Arc<VaultKeeperInner>);

/// The parts of the daemon that the keeper uses.
pub(crate) struct VaultServices {
    pub(crate) vault: Arc<Vault>,
    pub(crate) broker: LiveBroker,
    pub(crate) tokens: LiveEndpointTokens,
    pub(crate) state_file: Arc<StateFile>,
    pub(crate) settings: LiveSettings,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) clock: Clock,
    pub(crate) paths: Arc<Paths>,
}

struct VaultKeeperInner {
    services: VaultServices,
    state: watch::Sender<VaultState>,
    /// Held during each transition, so that there is one at a time.
    transition: Mutex<()>,
    /// Held while the keyring's prompt is shown, so that there is one at a time.
    prompt: Mutex<()>,
    /// Whether the user asked for a lock, which cancels an opening in progress.
    lock_requested: AtomicBool,
    /// Wakes the loop.
    woken: Notify,
    /// Whether the first attempt to open the vault has ended.
    attempted: watch::Sender<bool>,
    /// When the vault was last opened or the user last signed in, in milliseconds since 1970.
    used_at: AtomicI64,
}

impl VaultKeeper {
    /// Creates a keeper of a closed vault; [`run`](Self::run) opens it.
    pub(crate) fn new(services: VaultServices) -> Self {
        let used_at = AtomicI64::new(services.clock.now().as_millisecond());
        Self(Arc::new(VaultKeeperInner {
            services,
            state: watch::channel(VaultState::Opening).0,
            transition: Mutex::default(),
            prompt: Mutex::default(),
            lock_requested: AtomicBool::new(false),
            woken: Notify::new(),
            attempted: watch::channel(false).0,
            used_at,
        }))
    }

    /// Returns the present state.
    pub(crate) fn state(&self) -> VaultState {
        self.0.state.borrow().clone()
    }

    /// Returns whether everything can be read and saved.
    pub(crate) fn is_open(&self) -> bool {
        self.state().is_open()
    }

    /// Returns whether a rekey was interrupted, so some files are still encrypted under the old key.
    pub(crate) fn is_changing_key(&self) -> bool {
        self.0.services.vault.is_changing_key()
    }

    /// Returns the problems of the vault's files.
    pub(crate) fn file_problems(&self) -> Vec<String> {
        self.0.services.vault.problems()
    }

    /// Returns a receiver that is notified when the vault is opened or closed.
    pub(crate) fn changes(&self) -> watch::Receiver<VaultState> {
        self.0.state.subscribe()
    }

    /// Ends when the vault is no longer open.
    pub(crate) async fn closed(&self) {
        // An error is impossible: the keeper keeps the sender.
        let _ = self.changes().wait_for(|state| !state.is_open()).await;
    }

    /// Ends when the first attempt to open the vault has succeeded, failed or taken too long.
    pub(crate) async fn started(&self) {
        let mut attempted = self.0.attempted.subscribe();
        // After the timeout, SDKs get the refusal that the vault is being opened.
        let _ = tokio::time::timeout(START_TIMEOUT, attempted.wait_for(|attempted| *attempted)).await;
    }

    /// Records a sign-in, which postpones the idle lock.
    pub(crate) fn used(&self, now: Timestamp) {
        self.0.used_at.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// Makes the loop check again, for example after a change of the settings.
    pub(crate) fn wake(&self) {
        self.0.woken.notify_one();
    }

    /// Keeps the vault open, except while it is locked, until the stop.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let VaultKeeperInner { services, woken, attempted, .. } = self.0.as_ref();
        let mut stopped = std::pin::pin!(shutdown.begun());
        let mut failures = 0;
        if services.state_file.is_locked() {
            // A restart does not unlock.
            self.lock_now().await;
        }
        loop {
            let next = self.keep_open(&mut failures).await;
            attempted.send_replace(true);
            tokio::select! {
                () = &mut stopped => return,
                () = woken.notified() => {}
                () = services.clock.sleep_until(next) => {}
            }
            let lock_is_due = self.idle_lock_at().is_some_and(|at| at <= services.clock.now());
            if self.is_open() && lock_is_due && !services.broker.is_busy() {
                tracing::info!("ssod was idle, so it locks itself");
                if let Err(error) = self.lock().await {
                    tracing::error!("{error:#}");
                }
            } else {
                self.maintain().await;
            }
        }
    }

    /// Opens the vault unless it is locked, and returns when to check again.
    async fn keep_open(&self, failures: &mut u32) -> Option<Timestamp> {
        let services = &self.0.services;
        let now = services.clock.now();
        let touch = || self.key_needs_touch().then(|| now.plus(TOUCH_INTERVAL));
        if self.state() == VaultState::Locked {
            return touch();
        }
        let state = self.open().await;
        if state.is_open() {
            *failures = 0;
            // No lock while a sign-in is in progress or not saved yet.
            let busy = services.broker.is_busy().then(|| now.plus(BUSY_DELAY));
            let lock = self.idle_lock_at().map(|at| busy.map_or(at, |busy| at.max(busy)));
            return touch().into_iter().chain(lock).chain(self.maintenance_at(now)).min();
        }
        *failures += 1;
        let delay = RETRY_MIN.saturating_mul(1 << (*failures).min(6)).min(RETRY_MAX);
        state.is_retryable().then(|| now.plus(delay))
    }

    /// Returns when the idle lock is due, if the settings enable it.
    fn idle_lock_at(&self) -> Option<Timestamp> {
        let services = &self.0.services;
        let idle_after = services.settings.current().lock.idle_after?;
        let used_at = Timestamp::from_millisecond(self.0.used_at.load(Ordering::Relaxed)).ok()?;
        let last = services.audit.last_served().map_or(used_at, |served| served.max(used_at));
        Some(last.plus(idle_after))
    }

    /// Opens the vault if it is closed, and returns the state. Key stores are called on a blocking thread.
    async fn open(&self) -> VaultState {
        let _transition = self.lock_transition().await;
        if self.is_open() {
            return self.state();
        }
        self.open_in_transition(self.0.services.settings.current().vault.key).await
    }

    /// The caller holds the transition lock, and the vault is closed. A vault without a key gets one in the chosen
    /// store.
    async fn open_in_transition(&self, choice: KeyStoreChoice) -> VaultState {
        let services = &self.0.services;
        let keeper = self.clone();
        let opening = tokio::task::spawn_blocking(move || keeper.open_blocking(choice));
        let state = match opening.await {
            Ok(Ok(store)) => VaultState::Open(store),
            Ok(Err(closed)) => closed,
            Err(panicked) => broken(&panicked),
        };
        if state.is_open() {
            self.used(services.clock.now());
            if let Err(error) = self.complete_opening().await {
                tracing::warn!("{error:#}");
            }
            // The state is published last, so that a client that sees an open vault also finds all tokens.
            self.set_state(state.clone());
            return state;
        }
        if state != VaultState::Locked
            && let Some(closed) = state.closed_reason()
        {
            if self.state() != state {
                tracing::warn!("the vault cannot be opened: {} {}", closed.reason, closed.remedy);
            }
            services.broker.begin_sealing(closed);
        }
        self.set_state(state.clone());
        state
    }

    /// Creates the missing tokens. If the present ones were revoked because another user may know them, makes copies of
    /// the vault's files useless.
    async fn complete_opening(&self) -> Result<()> {
        let VaultServices { state_file, vault, .. } = &self.0.services;
        self.provide_tokens_in_transition().await?;
        if state_file.port_was_taken() {
            self.revoke_copies_in_transition().await;
            state_file.save_port_was_taken(false)?;
        }
        let vault = vault.clone();
        // The key store may be slow, and nothing waits for this.
        tokio::task::spawn_blocking(move || vault.delete_replaced_keys());
        Ok(())
    }

    fn open_blocking(&self, choice: KeyStoreChoice) -> Result<KeyStore, VaultState> {
        let VaultServices { vault, tokens, broker, state_file, paths, .. } = &self.0.services;
        let found = find_or_create_key(&paths.vault(), choice)
            .map_err(|error| VaultState::failed(error, &paths.settings))?;
        let store = found.store;
        // A key store may be slow, so the user may have locked ssod meanwhile.
        if self.0.lock_requested.load(Ordering::SeqCst) {
            return Err(VaultState::Locked);
        }
        vault.unlock(found);
        let load = || {
            let saved = vault.load_endpoint_tokens().map_err(|error| broken(&error))?;
            tokens.in_force().replace(saved);
            // Another user may know these tokens: if another user's program held the port, open shells sent the tokens
            // to it. On a system that does not report the caller's uid, that may have happened unnoticed.
            if state_file.port_was_taken() || !ssod_peer::IDENTIFIES_TCP_PEERS {
                tracing::warn!(
                    "the endpoint's tokens are renewed; open shells need a new environment: eval \"$(ssod env PROFILE)\""
                );
                tokens.in_force().revoke(|_| true).map_err(|error| broken(&error))?;
            }
            if let Err(error) = tokens.renew_if_due(vault.as_ref()) {
                tracing::warn!("the endpoint's tokens cannot be renewed: {error:#}");
            }
            broker.open().map_err(|error| broken(&error))
        };
        load().inspect_err(|_| {
            tokens.in_force().forget();
            vault.lock();
        })?;
        Ok(store)
    }

    /// Removes every secret from memory, and stays locked after a restart. Serving stops at once; the rest may wait for
    /// a renewal in progress. Returns the sessions whose renewed sign-in could not be saved and is lost; fails if a
    /// restart would unlock.
    pub(crate) async fn lock(&self) -> Result<Vec<SessionName>> {
        let store = self.state().key_store();
        let lost = self.lock_now().await;
        let saved = self.0.services.state_file.save_locked(true);
        let keyring_locked = self.lock_keyring(store).await;
        saved.context("ssod is locked, but a restart would unlock it")?;
        keyring_locked.context("ssod is locked, but each of your programs can unlock it")?;
        Ok(lost)
    }

    async fn lock_now(&self) -> Vec<SessionName> {
        let VaultServices { vault, tokens, broker, .. } = &self.0.services;
        self.0.lock_requested.store(true, Ordering::SeqCst);
        broker.begin_sealing(locked_reason());
        let _transition = self.lock_transition().await;
        let lost = broker.seal(locked_reason()).await;
        for session in &lost {
            tracing::error!(%session, "the renewed sign-in could not be saved, so the lock loses it");
        }
        tokens.in_force().forget();
        broker.provider().disconnect();
        vault.lock();
        self.set_state(VaultState::Locked);
        self.wake();
        tracing::info!("locked");
        lost
    }

    /// Opens the vault again after a lock, and returns the resulting state. With `[lock] presence`, the user must enter
    /// the keyring's password.
    pub(crate) async fn unlock(&self) -> Result<VaultState, UnlockError> {
        self.require_presence().await.map_err(UnlockError::NotPresent)?;
        self.0.services.state_file.save_locked(false).map_err(UnlockError::Failed)?;
        self.0.lock_requested.store(false, Ordering::SeqCst);
        let state = self.open().await;
        self.wake();
        Ok(state)
    }

    /// Makes a new key, in that store or where the key is now, and returns where it is. No sign-in is lost, and no
    /// request waits. A vault that has no key yet gets its first one in that store, and is opened.
    pub(crate) async fn rekey(&self, store: Option<KeyStore>) -> Result<NewKey, RekeyFailure> {
        let vault = &self.0.services.vault;
        let _transition = self.lock_transition().await;
        let current = match (self.state(), store) {
            (VaultState::Open(current), _) => current,
            (VaultState::NoKeyStore { .. }, Some(store)) => {
                let state = self.open_in_transition(KeyStoreChoice::Only(store)).await;
                self.wake();
                return state.key_store().map(NewKey::First).ok_or(RekeyFailure::Closed(state));
            }
            (closed, _) => return Err(RekeyFailure::Closed(closed)),
        };
        let store = store.unwrap_or(current);
        let rekeying = vault.clone();
        let rekeyed = tokio::task::spawn_blocking(move || rekeying.rekey(store)).await;
        // The vault records where its key is, so this is right whether the rekey succeeded or not.
        self.set_state(VaultState::Open(vault.key_store().unwrap_or(current)));
        self.wake();
        let rekeyed = rekeyed.unwrap_or_else(|panicked| {
            let error = KeyStoreError::Broken { store, reason: panicked.to_string() };
            let is_changing = vault.is_changing_key();
            Err(if is_changing { RekeyError::Incomplete(error) } else { RekeyError::NotStarted(error) })
        });
        rekeyed.map(|()| NewKey::Replaced(store)).map_err(RekeyFailure::Failed)
    }

    /// Waits until no transition is in progress, and prevents further ones until the guard is dropped.
    async fn lock_transition(&self) -> MutexGuard<'_, ()> {
        self.0.transition.lock().await
    }

    fn set_state(&self, state: VaultState) {
        self.0.state.send_replace(state);
    }
}

fn broken(error: &dyn Display) -> VaultState {
    VaultState::Broken { reason: error.to_string() }
}
