//! The AWS config file on disk.

use std::path::Path;

use ssod_private_files::{FileError, ReadPolicy};
use ssod_profiles::{Broken, Configuration, Document, Environment, resolve};

use crate::failure::{Failure, Outcome};

/// The file's text; a missing file is an empty one.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    match ssod_private_files::read_to_string(path, &ReadPolicy::user_file()) {
        Ok(text) => Ok(text),
        Err(FileError::NotFound) => Ok(String::new()),
        Err(error) => Err(Failure::new(format!("Cannot read {}: {error}.", path.display()))),
    }
}

/// What the text means, with the endpoint overrides of this shell.
pub(crate) fn resolved(path: &Path, text: &str) -> Outcome<Configuration> {
    let environment = Environment::from_variables(|name| std::env::var(name).ok());
    let document = Document::parse(text).map_err(|error| broken(path, &error))?;
    Ok(resolve(&document, &environment))
}

/// A file that no AWS tool can read is mended by its owner, not by us.
pub(crate) fn broken(path: &Path, error: &Broken) -> Failure {
    Failure::new(format!("{} cannot be understood: {error}.", path.display()))
        .hint("Mend that line, then try again")
}

/// Replaces the file's text atomically. Symlinks and the file's mode stay; a new file gets mode 0600.
pub(crate) fn write(path: &Path, text: &str) -> Outcome<()> {
    ssod_private_files::write_user_file(path, text.as_bytes())
        .map_err(|error| Failure::new(format!("Cannot write {}: {error}.", path.display())))
}
