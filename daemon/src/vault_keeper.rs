//! Opens the vault, off every request's path, and again after each failure; locks it when somebody says so, or when nobody
//! used it for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context;
use ssod_broker::SealReason;
use ssod_control::VaultStatus;
use ssod_model::{SecretStore, SessionName, Timestamp, TimestampExt};
use ssod_vault::{KeyStore, KeyStoreError, Vault, find_key};
use tokio::sync::{Notify, OwnedMutexGuard, watch};

use crate::app::Shared;

/// How long the start waits for the key before it answers that the vault is being opened. Key stores take up to a quarter
/// of a second.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// How often a key store that said no is asked again, from first to last.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// A sign-in under way is looked at again after this.
const BUSY: Duration = Duration::from_secs(30);
/// The kernel forgets a key that nobody looked at for three days.
const TOUCH: Duration = Duration::from_hours(24);

/// How the vault stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody knows yet.
    Opening,
    /// The key is there.
    Open(KeyStore),
    /// Somebody locked it, or nobody used it for long.
    Locked,
    /// The key cannot be had.
    Failed { word: &'static str, reason: String, remedy: String },
}

/// What is kept about the vault while the daemon runs.
pub(crate) struct VaultKeeper {
    vault: Arc<Vault>,
    standing: watch::Sender<Standing>,
    /// One change at a time.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// Somebody wants it locked: whoever is opening it stops.
    wanted_locked: AtomicBool,
    /// Told when the loop must look again.
    changed: Notify,
    /// Becomes true when the first try is over.
    tried: watch::Sender<bool>,
    /// When it was opened, or somebody signed in, in milliseconds since 1970.
    used_at: AtomicI64,
}

impl VaultKeeper {
    pub(crate) fn new(vault: Arc<Vault>, now: Timestamp) -> Self {
        Self {
            vault,
            standing: watch::channel(Standing::Opening).0,
            changing: Arc::default(),
            wanted_locked: AtomicBool::new(false),
            changed: Notify::new(),
            tried: watch::channel(false).0,
            used_at: AtomicI64::new(now.as_millisecond()),
        }
    }

    /// The vault itself.
    pub(crate) fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Whether everything can be read and saved.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.standing(), Standing::Open(_))
    }

    /// Where the key is, while it is known.
    pub(crate) fn key_store(&self) -> Option<KeyStore> {
        match self.standing() {
            Standing::Open(store) => Some(store),
            _ => None,
        }
    }

    /// For `ssod status`.
    pub(crate) fn status(&self) -> VaultStatus {
        let (state, reason, hint) = match self.standing() {
            Standing::Opening => ("opening", None, None),
            Standing::Open(_) => ("open", None, None),
            Standing::Locked => ("locked", Some(LOCKED.to_owned()), Some(UNLOCK.to_owned())),
            Standing::Failed { word, reason, remedy } => (word, Some(reason), Some(remedy)),
        };
        VaultStatus { state: state.to_owned(), reason, hint }
    }

    /// Somebody signed in.
    pub(crate) fn used(&self, now: Timestamp) {
        self.used_at.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// The settings may say something else now.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Ends when the vault is open, or the first try failed, or took too long.
    pub(crate) async fn settled(&self) {
        let mut tried = self.tried.subscribe();
        // In the end nobody waits: whoever asks meanwhile is told that the vault is being opened.
        let _ = tokio::time::timeout(FIRST_PATIENCE, tried.wait_for(|tried| *tried)).await;
    }

    /// Tells when the vault is opened and closed.
    pub(crate) fn changes(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Ends when the vault is no longer open.
    pub(crate) async fn closed(&self) {
        let mut standing = self.standing.subscribe();
        // The sender lives as long as the keeper.
        let _ = standing.wait_for(|standing| !matches!(standing, Standing::Open(_))).await;
    }

    /// Waits until nothing changes about the vault, and keeps it so.
    pub(crate) async fn unchanging(&self) -> OwnedMutexGuard<()> {
        self.changing.clone().lock_owned().await
    }

    fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    fn stand(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }
}

const LOCKED: &str = "ssod is locked.";
const UNLOCK: &str = "Run: ssod unlock";

/// When nobody will have used it for so long that it locks itself.
fn locks_itself_at(shared: &Shared) -> Option<Timestamp> {
    let idle_after = shared.settings().lock.idle_after?;
    let used_at = Timestamp::from_millisecond(shared.keeper.used_at.load(Ordering::Relaxed)).ok()?;
    let last = shared.audit.last_served().map_or(used_at, |served| served.max(used_at));
    Some(last.plus(idle_after))
}

/// Keeps the vault open as long as nobody wants it locked, until the stop.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut failures = 0;
    let mut stopped = std::pin::pin!(shared.stopped());
    if shared.memory.is_locked() {
        // A restart unlocks nothing.
        lock_now(&shared).await;
    }
    loop {
        let keeper = &shared.keeper;
        let now = shared.clock.now();
        let next = match keeper.standing() {
            Standing::Locked => keeps_its_key(&shared).then(|| now.plus(TOUCH)),
            Standing::Opening | Standing::Open(_) | Standing::Failed { .. } => match open(&shared).await {
                Ok(_) => {
                    failures = 0;
                    let touch = keeps_its_key(&shared).then(|| now.plus(TOUCH));
                    // Not while somebody signs in, or a sign-in is in memory only: looked at again in a moment.
                    let busy = shared.broker.is_busy().then(|| now.plus(BUSY));
                    let locks = locks_itself_at(&shared).map(|at| busy.map_or(at, |busy| at.max(busy)));
                    touch.into_iter().chain(locks).min()
                }
                Err(true) => {
                    failures += 1;
                    Some(now.plus(RETRY_MIN.saturating_mul(1 << failures.min(6)).min(RETRY_MAX)))
                }
                // Asking a store again and again that said no only brings prompts.
                Err(false) => None,
            },
        };
        keeper.tried.send_replace(true);
        let due = shared.clock.sleep_until(next);
        tokio::select! {
            () = &mut stopped => return,
            () = keeper.changed.notified() => continue,
            () = due => {}
        }
        let is_due = locks_itself_at(&shared).is_some_and(|at| at <= shared.clock.now());
        if keeper.is_open() && is_due && !shared.broker.is_busy() {
            tracing::info!("nobody used it for long, so ssod locks itself");
            if let Err(error) = lock(&shared).await {
                tracing::error!("{error:#}");
            }
        } else if keeps_its_key(&shared) {
            touch(&shared).await;
        }
    }
}

/// Whether the key is in the kernel's keyring, which forgets what nobody looks at.
fn keeps_its_key(shared: &Shared) -> bool {
    shared.keeper.vault.key_store() == Some(KeyStore::Keyutils)
}

/// Opens the vault where it is not open, and says where the key is; or whether to try again by itself. Blocks nobody: key
/// stores are asked on a thread of their own.
async fn open(shared: &Arc<Shared>) -> Result<KeyStore, bool> {
    let keeper = &shared.keeper;
    let _changing = keeper.unchanging().await;
    if let Standing::Open(store) = keeper.standing() {
        return Ok(store);
    }
    let opening = {
        let shared = shared.clone();
        tokio::task::spawn_blocking(move || open_now(&shared))
    };
    let failure = match opening.await {
        Ok(Ok(store)) => {
            keeper.stand(Standing::Open(store));
            keeper.used(shared.clock.now());
            let kept = match shared.provide_tokens_now().await {
                Ok(()) => shared.memory.keep_port_was_taken(false),
                error => error,
            };
            if let Err(error) = kept {
                tracing::warn!("{error:#}");
            }
            return Ok(store);
        }
        Ok(Err(failure)) => failure,
        Err(panicked) => broken(&panicked),
    };
    if let Standing::Failed { reason, remedy, .. } = &failure {
        if keeper.standing() != failure {
            tracing::warn!("the vault cannot be opened: {reason} {remedy}");
        }
        let why = SealReason { reason: reason.clone(), remedy: remedy.clone() };
        shared.broker.begin_sealing(why);
    }
    let asks_again =
        !matches!(&failure, Standing::Failed { word: "refused" | "missing", .. } | Standing::Locked);
    keeper.stand(failure);
    Err(asks_again)
}

fn open_now(shared: &Shared) -> Result<KeyStore, Standing> {
    let vault = shared.keeper.vault();
    let found =
        find_key(&shared.paths.vault(), shared.settings().vault.key).map_err(|error| no_key(&error))?;
    let store = found.store;
    // Key stores take their time; somebody may have changed his mind.
    if shared.keeper.wanted_locked.load(Ordering::SeqCst) {
        return Err(Standing::Locked);
    }
    vault.unlock(found);
    let load = || {
        let tokens = vault.load_endpoint_tokens().map_err(|error| broken(&error))?;
        shared.tokens.replace(tokens);
        // Tokens that somebody else may know: those that open shells sent to whoever had our port, and, where the caller's
        // uid cannot be checked, those that were in use while nobody held the port.
        if shared.memory.port_was_taken() || !ssod_peer::TELLS_TCP_PEERS {
            tracing::warn!(
                "the endpoint's tokens are renewed; open shells need a new environment: eval \"$(ssod env PROFILE)\""
            );
            shared.tokens.renew(|_| true).map_err(|error| broken(&error))?;
        }
        shared.broker.open().map_err(|error| broken(&error))
    };
    load().inspect_err(|_| {
        shared.tokens.forget();
        vault.lock();
    })?;
    Ok(store)
}

fn no_key(error: &KeyStoreError) -> Standing {
    let reason = crate::control::sentence(&error.to_string());
    Standing::Failed { word: error.word(), reason, remedy: error.remedy().to_owned() }
}

fn broken(error: &dyn std::fmt::Display) -> Standing {
    let reason = crate::control::sentence(&error.to_string());
    Standing::Failed { word: "broken", reason, remedy: "Mend it, then run: ssod unlock".to_owned() }
}

fn locked() -> SealReason {
    SealReason { reason: LOCKED.to_owned(), remedy: UNLOCK.to_owned() }
}

/// Every secret leaves the memory; it stays so over a restart. Handing out stops at once, the rest may wait for a renewal
/// under way. Gives the sessions whose renewed sign-in could not be saved, and is lost; fails where a restart would unlock.
pub(crate) async fn lock(shared: &Arc<Shared>) -> anyhow::Result<Vec<SessionName>> {
    let lost = lock_now(shared).await;
    shared.memory.keep_locked(true).context("ssod is locked, but a restart would unlock it")?;
    Ok(lost)
}

async fn lock_now(shared: &Arc<Shared>) -> Vec<SessionName> {
    let keeper = &shared.keeper;
    keeper.wanted_locked.store(true, Ordering::SeqCst);
    shared.broker.begin_sealing(locked());
    let _changing = keeper.unchanging().await;
    let lost = shared.broker.seal(locked()).await;
    for session in &lost {
        tracing::error!(%session, "the renewed sign-in could not be saved, and is lost by the lock");
    }
    shared.tokens.forget();
    shared.broker.provider().disconnect();
    keeper.vault.lock();
    keeper.stand(Standing::Locked);
    keeper.look_again();
    tracing::info!("locked");
    lost
}

/// Opens it again; says why where that cannot be.
pub(crate) async fn unlock(shared: &Arc<Shared>) -> anyhow::Result<Result<(), VaultStatus>> {
    shared.memory.keep_locked(false)?;
    shared.keeper.wanted_locked.store(false, Ordering::SeqCst);
    let opened = open(shared).await;
    shared.keeper.look_again();
    Ok(opened.map(drop).map_err(|_| shared.keeper.status()))
}

/// Why there is no new key.
pub(crate) enum NotRekeyed {
    /// The vault is not open.
    Closed(VaultStatus),
    /// The store or the disk said no; whether the new key counts all the same.
    Failed(KeyStoreError, bool),
}

/// A new key, in that store or where the key is now. No sign-in is lost, and nothing is served late.
pub(crate) async fn rekey(shared: &Arc<Shared>, store: Option<KeyStore>) -> Result<KeyStore, NotRekeyed> {
    let keeper = &shared.keeper;
    let _changing = keeper.unchanging().await;
    let Standing::Open(current) = keeper.standing() else { return Err(NotRekeyed::Closed(keeper.status())) };
    let store = store.unwrap_or(current);
    let vault = keeper.vault.clone();
    let rekeyed = tokio::task::spawn_blocking(move || vault.rekey(store)).await;
    let broken = |error: tokio::task::JoinError| KeyStoreError::Broken { store, reason: error.to_string() };
    let rekeyed = rekeyed.map_err(broken).and_then(|done| done);
    // Whatever came of it: the vault itself knows where its key is now.
    keeper.stand(Standing::Open(keeper.vault.key_store().unwrap_or(current)));
    keeper.look_again();
    rekeyed.map_err(|error| NotRekeyed::Failed(error, keeper.vault.is_changing_key())).map(|()| store)
}

/// Looks at the key, so that the kernel keeps it.
async fn touch(shared: &Arc<Shared>) {
    let _changing = shared.keeper.unchanging().await;
    let vault = shared.keeper.vault.clone();
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || vault.keep_key()).await {
        tracing::warn!(%error, "the vault's key was not found again; after a restart its content may not open");
    }
}
