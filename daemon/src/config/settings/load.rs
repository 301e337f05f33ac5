//! Reads the settings from their file.

use std::io;
use std::path::Path;

use ssod_private_files::{FileError, read_trusted};

use super::Settings;
use super::error::SettingsError;
use super::mistake::{Mistake, line_at};
use crate::system::file_access;

impl Settings {
    /// Loads the file; without a file, every setting has its default. Fails if other users can change it, directly or
    /// through a folder on the way from the home folder. Blocks for a limited time.
    pub fn load(path: &Path, home: &Path) -> Result<Self, SettingsError> {
        let (file, home) = (path.to_owned(), home.to_owned());
        Self::from_content(path, file_access::access_blocking(move || read_trusted(&file, &home)))
    }

    /// Loads the file without blocking the runtime.
    pub(crate) async fn load_async(path: &Path, home: &Path) -> Result<Self, SettingsError> {
        let (file, home) = (path.to_owned(), home.to_owned());
        Self::from_content(path, file_access::access(path, move || read_trusted(&file, &home)).await)
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
            Err(FileError::Exposed(exposure)) => {
                Err(SettingsError::Exposed { path: path.to_owned(), exposure })
            }
            Err(error) => Err(unreadable(error.into())),
        }
    }
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
