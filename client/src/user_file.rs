//! Files that the user manages: the AWS config file, and the units of a service manager.

use std::path::Path;

use ssod_private_files::{FileError, ReadPolicy};

use crate::error::{CommandError, CommandResult};

/// Reads the file. Returns an empty text if the file is missing.
pub(crate) fn read(path: &Path) -> CommandResult<String> {
    match ssod_private_files::read_to_string(path, &ReadPolicy::user_file()) {
        Ok(text) => Ok(text),
        Err(FileError::NotFound) => Ok(String::new()),
        Err(error) => Err(CommandError::new(format!("Cannot read {}: {error}.", path.display()))),
    }
}

/// Replaces the file's text atomically. Keeps symlinks and the file's mode; a new file gets mode 0600.
pub(crate) fn replace(path: &Path, text: &str) -> CommandResult<()> {
    ssod_private_files::write_user_file(path, text.as_bytes())
        .map_err(|error| CommandError::new(format!("Cannot write {}: {error}.", path.display())))
}
