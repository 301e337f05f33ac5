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

/// Checks whether [`replace`] can succeed, before the user answers questions.
pub(crate) fn check_writable(path: &Path) -> CommandResult<()> {
    ssod_private_files::check_user_file_writable(path).map_err(|error| not_writable(path, &error))
}

fn not_writable(path: &Path, error: &FileError) -> CommandError {
    CommandError::new(format!("Cannot write {}: {error}.", path.display()))
        .hint("Make the file and its folder writable for you; if another program manages it, change it there")
}

/// Replaces the file's text atomically. Symlinks and the file's mode stay; a new file gets mode 0600.
pub(crate) fn replace(path: &Path, text: &str) -> CommandResult<()> {
    ssod_private_files::write_user_file(path, text.as_bytes()).map_err(|error| not_writable(path, &error))
}
