//! One daemon for each user: whoever holds the lock may remove a stale socket and write the vault.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use fs4::{FileExt, TryLockError};
use thiserror::Error;

/// There is a daemon already.
#[derive(Debug, Error)]
#[error("another ssod-daemon runs already (process {pid}); there is one for each user. See: ssod status")]
pub struct AlreadyRuns {
    /// Its process, as it wrote it down.
    pid: String,
}

/// Held until dropped; the kernel releases it however the process ends.
#[derive(Debug)]
pub struct InstanceLock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl InstanceLock {
    /// Takes the lock; fails with the other daemon's process id where there is one.
    pub fn take(path: &Path) -> Result<Self> {
        let unusable = || format!("cannot open {}", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .with_context(unusable)?;
        match FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message.
                let _ = file.read_to_string(&mut pid);
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
    fn the_second_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = InstanceLock::take(&path).unwrap();
        let refusal = InstanceLock::take(&path).unwrap_err().to_string();
        assert!(refusal.contains(&std::process::id().to_string()), "{refusal}");
        drop(first);
        InstanceLock::take(&path).unwrap();
    }
}
