//! Resolves the AWS config file to sessions and profiles.

use std::path::Path;

use ssod_profiles::{Configuration, Document, EditError, EndpointVariables};

use crate::error::CommandError;

/// Returns the sessions and profiles in the text, with the endpoint overrides of this shell.
pub(crate) fn resolve(text: &str) -> Configuration {
    let environment = EndpointVariables::from_variables(|name| std::env::var(name).ok());
    ssod_profiles::resolve(&Document::parse(text), &environment)
}

/// Returns the error for a change that would break the file. ssod does not write it.
pub(crate) fn not_changed(path: &Path, error: &EditError) -> CommandError {
    CommandError::new(format!("{} was not changed: {error}.", path.display()))
        .hint("Make the change in an editor, or simplify that section")
}
