//! The folder of sealed files.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ssod_private_files::ReadPolicy;

use crate::interruption;

pub(super) const SUFFIX: &str = ".sealed";
/// The limit for a sealed file. Ten thousand cached credentials take about 20 MB.
const MAX_SEALED_BYTES: u64 = 256 * 1024 * 1024;
/// The seal protects a file's content, so its owner and mode do not matter.
const READ_POLICY: ReadPolicy =
    ReadPolicy::private().allow_others(0o077).any_owner().max_bytes(MAX_SEALED_BYTES);

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

    /// Reads a file.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(ssod_private_files::read(&self.join(name), &READ_POLICY)?)
    }

    /// Reads at most that many bytes of a file.
    pub(super) fn read_beginning(&self, name: &str, length: usize) -> io::Result<Vec<u8>> {
        let file = ssod_private_files::open_to_read(&self.join(name), &READ_POLICY)?;
        let mut beginning = Vec::with_capacity(length);
        file.take(length as u64).read_to_end(&mut beginning)?;
        Ok(beginning)
    }

    /// Removes a file. It is no error if there is none.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        interruption::point();
        match fs::remove_file(self.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Replaces a file atomically.
    pub(super) fn replace(&self, name: &str, sealed: &[u8]) -> io::Result<()> {
        interruption::point();
        Ok(ssod_private_files::write(&self.join(name), sealed)?)
    }
}
