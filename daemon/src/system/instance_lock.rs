//! The instance lock, because each user has one daemon. Its holder may remove a stale socket and write the vault.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result};
use fs4::{FileExt, TryLockError};
use thiserror::Error;

/// Another daemon is already running.
#[derive(Debug, Error)]
#[error(
    "another ssod-daemon is already running (process {pid}); there is one for each user. See: ssod status"
)]
pub struct AlreadyRuns {
    /// Its process id, which it wrote to the lock file.
    pid: String,
}

/// More digits than any process id has.
const MAX_PID_BYTES: u64 = 20;

/// The lock, which is held until it is dropped. The kernel releases it when the process ends, even by a crash.
#[derive(Debug)]
pub struct InstanceLock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl InstanceLock {
    /// Takes the lock. If another daemon holds it, the error names its process id.
    pub fn take(path: &Path) -> Result<Self> {
        let unusable = || format!("cannot open {}", path.display());
        let mut file = ssod_private_files::open_lock_file(path).with_context(unusable)?;
        match FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The process id is only for the message, so an error does not matter.
                let _ = (&mut file).take(MAX_PID_BYTES).read_to_string(&mut pid);
                return Err(AlreadyRuns { pid: pid.trim().to_owned() }.into());
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(unusable),
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_process_that_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = InstanceLock::take(&path).unwrap();
        let refusal = InstanceLock::take(&path).unwrap_err().to_string();
        assert!(refusal.contains(&std::process::id().to_string()), "{refusal}");
        drop(first);
        InstanceLock::take(&path).unwrap();
    }
}
