//! Opens the vault, off every request's path, and again after each failure; locks it when somebody says so, or when nobody
//! used it for long.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ssod_broker::Closed;
use ssod_control::VaultStatus;
use ssod_model::{SecretStore, Timer, Timestamp, TimestampExt};
use ssod_vault::{KeyStore, KeyStoreError, Vault, find_key};
use tokio::sync::{Notify, watch};

use crate::app::Shared;

/// How long the start waits for the key before it answers that the vault is being opened. Key stores take up to a quarter
/// of a second.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// How often a key store that said no is asked again, from first to last.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// The kernel forgets a key that nobody looked at for three days.
const TOUCH: Duration = Duration::from_hours(24);

/// How the vault stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Opening,
    Open(KeyStore),
    /// Somebody locked it, or nobody used it for long.
    Locked,
    /// The key cannot be had.
    Failed {
        word: &'static str,
        reason: String,
        remedy: String,
    },
}

/// What is kept about the vault while the daemon runs.
pub(crate) struct VaultKeeper {
    vault: Arc<Vault>,
    standing: Mutex<Standing>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    /// Told when the loop must look again.
    changed: Notify,
    /// Becomes true when the first try is over.
    tried: watch::Sender<bool>,
    /// When it was opened, in milliseconds since 1970.
    opened_at: AtomicI64,
}

impl VaultKeeper {
    pub(crate) fn new(vault: Arc<Vault>, now: Timestamp) -> Self {
        Self {
            vault,
            standing: Mutex::new(Standing::Opening),
            changing: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            tried: watch::channel(false).0,
            opened_at: AtomicI64::new(now.as_millisecond()),
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

    fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stand(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}

const LOCKED: &str = "ssod is locked.";
const UNLOCK: &str = "Run: ssod unlock";

/// When nobody will have used it for so long that it locks itself.
fn locks_itself_at<C: Timer + Clone>(shared: &Shared<C>) -> Option<Timestamp> {
    let idle_after = shared.settings().lock.idle_after?;
    let opened_at = Timestamp::from_millisecond(shared.keeper.opened_at.load(Ordering::Relaxed)).ok()?;
    let last = shared.audit.last_served().map_or(opened_at, |served| served.max(opened_at));
    Some(last.plus(idle_after))
}

/// Keeps the vault open as long as nobody wants it locked, until the stop.
pub(crate) async fn run<C: Timer + Clone>(shared: Arc<Shared<C>>) {
    let mut failures = 0;
    let mut stopped = std::pin::pin!(shared.stopped());
    loop {
        let keeper = &shared.keeper;
        let opened = if shared.memory.is_locked() { None } else { Some(open(&shared).await) };
        let next = match &opened {
            None => {
                // A restart unlocks nothing.
                keeper.stand(Standing::Locked);
                shared.broker.close(locked()).await;
                None
            }
            Some(Ok(store)) => {
                failures = 0;
                let touch = (*store == KeyStore::Keyutils).then(|| shared.timer.now().plus(TOUCH));
                touch.into_iter().chain(locks_itself_at(&shared)).min()
            }
            Some(Err(())) => {
                failures += 1;
                let wait = RETRY_MIN.saturating_mul(1 << failures.min(6)).min(RETRY_MAX);
                Some(shared.timer.now().plus(wait))
            }
        };
        keeper.tried.send_replace(true);
        let due = async {
            match next {
                Some(at) => shared.timer.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut stopped => return,
            () = keeper.changed.notified() => {}
            () = due => {}
        }
        let now = shared.timer.now();
        if keeper.is_open() && locks_itself_at(&shared).is_some_and(|at| at <= now) {
            tracing::info!("nobody used it for long, so ssod locks itself");
            if let Err(error) = lock(&shared).await {
                tracing::error!(%error, "ssod could not lock itself");
            }
        } else if keeper.key_store() == Some(KeyStore::Keyutils) {
            touch(&shared).await;
        }
    }
}

/// Opens the vault where it is not open, and says where the key is. Blocks nobody: key stores are asked on a thread of
/// their own.
async fn open<C: Timer + Clone>(shared: &Arc<Shared<C>>) -> Result<KeyStore, ()> {
    let keeper = &shared.keeper;
    let _changing = keeper.changing.lock().await;
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
            keeper.opened_at.store(shared.timer.now().as_millisecond(), Ordering::Relaxed);
            let kept = match shared.provide_tokens().await {
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
        shared.broker.close(Closed::Locked { reason: reason.clone(), remedy: remedy.clone() }).await;
    }
    keeper.stand(failure);
    Err(())
}

fn open_now<C: Timer + Clone>(shared: &Shared<C>) -> Result<KeyStore, Standing> {
    let vault = shared.keeper.vault();
    let found =
        find_key(&shared.paths.vault(), shared.settings().vault.key).map_err(|error| no_key(&error))?;
    let store = found.store;
    vault.unlock(found).map_err(|error| no_key(&error))?;
    let load = || {
        shared.tokens.replace(vault.load_endpoint_tokens()?);
        shared.broker.open()
    };
    load().map_err(|error| {
        vault.lock();
        broken(&error)
    })?;
    // Tokens that somebody else may know: those that open shells sent to whoever had our port, and, where the caller's
    // uid cannot be checked, those that were in use while nobody held the port.
    if shared.memory.port_was_taken() || !ssod_peer::TELLS_TCP_PEERS {
        tracing::warn!(
            "the endpoint's tokens are renewed; open shells need a new environment: eval \"$(ssod env PROFILE)\""
        );
        shared.tokens.renew(|_| true).map_err(|error| broken(&error))?;
    }
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

fn locked() -> Closed {
    Closed::Locked { reason: LOCKED.to_owned(), remedy: UNLOCK.to_owned() }
}

/// Every secret leaves the memory; it stays so over a restart. Handing out stops at once, the rest may wait for a renewal
/// under way.
pub(crate) async fn lock<C: Timer + Clone>(shared: &Arc<Shared<C>>) -> anyhow::Result<()> {
    let keeper = &shared.keeper;
    let _changing = keeper.changing.lock().await;
    shared.memory.keep_locked(true)?;
    keeper.stand(Standing::Locked);
    shared.broker.close(locked()).await;
    shared.tokens.forget();
    shared.broker.provider().disconnect();
    keeper.vault.lock();
    keeper.look_again();
    tracing::info!("locked");
    Ok(())
}

/// Opens it again; says why where that cannot be.
pub(crate) async fn unlock<C: Timer + Clone>(
    shared: &Arc<Shared<C>>,
) -> anyhow::Result<Result<(), VaultStatus>> {
    shared.memory.keep_locked(false)?;
    let opened = open(shared).await;
    shared.keeper.look_again();
    Ok(opened.map(drop).map_err(|()| shared.keeper.status()))
}

/// A new key, in that store or where the key is now. No sign-in is lost, and nothing is served late.
pub(crate) async fn rekey<C: Timer + Clone>(
    shared: &Arc<Shared<C>>,
    store: Option<KeyStore>,
) -> Result<KeyStore, Result<KeyStoreError, VaultStatus>> {
    let keeper = &shared.keeper;
    let _changing = keeper.changing.lock().await;
    let Standing::Open(current) = keeper.standing() else { return Err(Err(keeper.status())) };
    let store = store.unwrap_or(current);
    let vault = keeper.vault.clone();
    let rekeyed = tokio::task::spawn_blocking(move || vault.rekey(store)).await;
    let broken = |error: tokio::task::JoinError| KeyStoreError::Broken { store, reason: error.to_string() };
    rekeyed.map_err(broken).and_then(|done| done).map_err(Ok)?;
    keeper.stand(Standing::Open(store));
    keeper.look_again();
    Ok(store)
}

/// Looks at the key, so that the kernel keeps it.
async fn touch<C: Timer + Clone>(shared: &Arc<Shared<C>>) {
    let (folder, choice) = (shared.paths.vault(), shared.settings().vault.key);
    let looked = tokio::task::spawn_blocking(move || find_key(&folder, choice)).await;
    if let Ok(Err(error)) = looked {
        tracing::warn!(%error, "the vault's key was not found again; after a restart its content may not open");
    }
}
