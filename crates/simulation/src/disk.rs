//! A disk, which keeps its files when a run ends. A run can die before and after it replaces a file.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ssod_model::{CachedCredentials, EndpointTokens, SecretStore, SessionName, SessionRecord, StoreError};

use crate::ledger::Ledger;
use crate::life::Life;

/// The disk. Clones share one state.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Files>);

#[derive(Default)]
struct Files {
    sessions: Mutex<BTreeMap<SessionName, SessionRecord>>,
    credentials: Mutex<Vec<CachedCredentials>>,
    is_full: AtomicBool,
}

impl Disk {
    /// Sets whether the disk is full.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::SeqCst);
    }

    /// Returns the store of one run.
    pub(crate) fn store(&self, life: &Life, ledger: &Ledger) -> Store {
        Store { disk: self.clone(), life: life.clone(), ledger: ledger.clone() }
    }
}

/// One run's access to the disk.
pub(crate) struct Store {
    disk: Disk,
    life: Life,
    ledger: Ledger,
}

impl Store {
    /// Replaces a file atomically: a run that dies before the rename has changed nothing, and a run that dies after it
    /// has written the whole file.
    fn replace(&self, write: impl FnOnce(&Files)) -> Result<(), StoreError> {
        if !self.life.step() {
            return Err(StoreError("the run is dead".to_owned()));
        }
        if self.disk.0.is_full.load(Ordering::SeqCst) {
            return Err(StoreError("the disk is full".to_owned()));
        }
        write(&self.disk.0);
        if self.life.step() { Ok(()) } else { Err(StoreError("the run is dead".to_owned())) }
    }
}

impl SecretStore for Store {
    fn is_immediate(&self) -> bool {
        true
    }

    fn load_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(self.disk.0.sessions.lock().unwrap().values().cloned().collect())
    }

    fn save_session(&self, record: &SessionRecord) -> Result<(), StoreError> {
        self.replace(|files| {
            self.ledger.record_saved(record);
            files.sessions.lock().unwrap().insert(record.name.clone(), record.clone());
        })
    }

    fn forget_session(&self, name: &SessionName) -> Result<(), StoreError> {
        self.replace(|files| drop(files.sessions.lock().unwrap().remove(name)))
    }

    fn load_credentials(&self) -> Result<Vec<CachedCredentials>, StoreError> {
        Ok(self.disk.0.credentials.lock().unwrap().clone())
    }

    fn save_credentials(&self, credentials: &[CachedCredentials]) -> Result<(), StoreError> {
        self.replace(|files| *files.credentials.lock().unwrap() = credentials.to_vec())
    }

    fn load_endpoint_tokens(&self) -> Result<EndpointTokens, StoreError> {
        Ok(EndpointTokens::default())
    }

    fn save_endpoint_tokens(&self, _tokens: &EndpointTokens) -> Result<(), StoreError> {
        Ok(())
    }
}
