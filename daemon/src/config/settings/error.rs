//! Why the settings cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::mistake::Mistake;
use crate::system::file_access;

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// The file has a mistake.
    #[error("{} line {}: {}", .path.display(), .mistake.line, .mistake.message)]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The first mistake.
        mistake: Mistake,
    },
}

impl SettingsError {
    /// Returns whether the file must be read again later, because its file system does not answer now.
    pub(crate) fn is_stalled(&self) -> bool {
        matches!(self, Self::Unreadable { error, .. } if file_access::is_stalled(error))
    }

    /// Returns what the user can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "Make it a file that you can read, or set SSOD_CONFIG to another file".to_owned()
            }
            Self::Invalid { mistake, .. } => mistake.remedy(),
        }
    }
}
