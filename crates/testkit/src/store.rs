//! A secret store in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use ssod_model::{CachedCredentials, EndpointTokens, SecretStore, SessionName, SessionRecord, StoreError};

/// A [`SecretStore`] in memory. A test can make it fail.
#[derive(Debug, Default)]
pub struct MemoryStore {
    sessions: Mutex<BTreeMap<SessionName, SessionRecord>>,
    credentials: Mutex<Vec<CachedCredentials>>,
    tokens: Mutex<EndpointTokens>,
    is_failing: AtomicBool,
}

impl MemoryStore {
    /// Sets whether every save fails from now on, as on a full disk.
    pub fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::SeqCst);
    }

    fn fail_if_set(&self) -> Result<(), StoreError> {
        if self.is_failing.load(Ordering::SeqCst) {
            Err(StoreError("the disk is full".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl SecretStore for MemoryStore {
    fn load_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(self.sessions.lock().unwrap().values().cloned().collect())
    }

    fn save_session(&self, record: &SessionRecord) -> Result<(), StoreError> {
        self.fail_if_set()?;
        self.sessions.lock().unwrap().insert(record.name.clone(), record.clone());
        Ok(())
    }

    fn forget_session(&self, name: &SessionName) -> Result<(), StoreError> {
        self.sessions.lock().unwrap().remove(name);
        Ok(())
    }

    fn load_credentials(&self) -> Result<Vec<CachedCredentials>, StoreError> {
        Ok(self.credentials.lock().unwrap().clone())
    }

    fn save_credentials(&self, credentials: &[CachedCredentials]) -> Result<(), StoreError> {
        self.fail_if_set()?;
        *self.credentials.lock().unwrap() = credentials.to_vec();
        Ok(())
    }

    fn load_endpoint_tokens(&self) -> Result<EndpointTokens, StoreError> {
        Ok(self.tokens.lock().unwrap().clone())
    }

    fn save_endpoint_tokens(&self, tokens: &EndpointTokens) -> Result<(), StoreError> {
        self.fail_if_set()?;
        *self.tokens.lock().unwrap() = tokens.clone();
        Ok(())
    }
}
