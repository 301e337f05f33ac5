//! The folder of sealed files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ssod_private_files::ReadPolicy;

pub(super) const SUFFIX: &str = ".sealed";
/// The limit for a sealed file. Ten thousand cached credentials take about 20 MB.
const MAX_SEALED_BYTES: u64 = 256 * 1024 * 1024;

/// Reads and replaces the sealed files.
#[derive(Debug)]
pub(super) struct SealedFolder {
    path: PathBuf,
}

impl SealedFolder {
    /// Creates the folder (0700) if it does not exist.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        ssod_private_files::create_folder(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Returns the folder's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a file in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the names of the sealed files.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            names.extend(name.to_str().filter(|name| name.ends_with(SUFFIX)).map(str::to_owned));
        }
        Ok(names)
    }

    /// Reads a file. The seal protects its content, so its owner and mode do not matter.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let policy = ReadPolicy::private().allow_others(0o077).any_owner().max_bytes(MAX_SEALED_BYTES);
        Ok(ssod_private_files::read(&self.join(name), &policy)?)
    }

    /// Replaces a file atomically.
    pub(super) fn replace(&self, name: &str, sealed: &[u8]) -> io::Result<()> {
        Ok(ssod_private_files::write(&self.join(name), sealed)?)
    }
}
