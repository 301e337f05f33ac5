//! Resolves the AWS config file to sessions and profiles.

use std::path::Path;

use ssod_profiles::{Configuration, Document, EndpointVariables, ParseError};

use crate::error::{CommandError, CommandResult};

/// Returns the sessions and profiles in the text, with the endpoint overrides of this shell.
pub(crate) fn resolve(path: &Path, text: &str) -> CommandResult<Configuration> {
    let environment = EndpointVariables::from_variables(|name| std::env::var(name).ok());
    let document = Document::parse(text).map_err(|error| malformed(path, &error))?;
    Ok(ssod_profiles::resolve(&document, &environment))
}

/// Returns the error for a malformed file, which no AWS tool can read either. ssod does not edit such a file.
pub(crate) fn malformed(path: &Path, error: &ParseError) -> CommandError {
    CommandError::new(format!("{} is malformed: {error}.", path.display()))
        .hint("Fix that line, then try again")
}
