//! Reads the settings from their file.

use std::io;
use std::path::Path;

use ssod_private_files::{FileError, ReadPolicy};

use super::Settings;
use super::error::SettingsError;
use super::mistake::{Mistake, line_at};
use crate::system::file_access;

/// The limit for the file. Ten thousand profiles in `[imds] profiles` take less than half of it.
const MAX_SETTINGS_BYTES: u64 = 1024 * 1024;

impl Settings {
    /// Loads the file; without a file, every setting has its default. Blocks for a limited time.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let file = path.to_owned();
        Self::from_content(path, file_access::access_blocking(move || read(&file)))
    }

    /// Loads the file without blocking the runtime.
    pub(crate) async fn load_async(path: &Path) -> Result<Self, SettingsError> {
        let file = path.to_owned();
        Self::from_content(path, file_access::access(path, move || read(&file)).await)
    }

    fn from_content(
        path: &Path,
        content: io::Result<Result<Vec<u8>, FileError>>,
    ) -> Result<Self, SettingsError> {
        let unreadable = |error| SettingsError::Unreadable { path: path.to_owned(), error };
        let invalid = |mistake| SettingsError::Invalid { path: path.to_owned(), mistake };
        match content.map_err(unreadable)? {
            Ok(bytes) => Self::parse(decode(&bytes).map_err(invalid)?).map_err(invalid),
            Err(FileError::NotFound) => Ok(Self::default()),
            Err(error) => Err(unreadable(error.into())),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    ssod_private_files::read(path, &ReadPolicy::user_file().max_bytes(MAX_SETTINGS_BYTES))
}

/// Returns the text without a byte-order mark, which some editors write.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, Mistake> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
        let line = line_at(&valid, valid.len());
        let message = "this line has bytes that are not text in UTF-8; save the file in that encoding";
        Mistake::new(line, message, None)
    })
}
