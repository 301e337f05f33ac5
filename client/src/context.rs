//! The context that every command gets.

use ssod_control::{Paths, PathsError};

use crate::terminal;

/// The paths on disk, and whether the command may ask the user questions.
pub(crate) struct CommandContext {
    pub(crate) paths: Paths,
    /// Whether the command runs in a terminal, without `--no-input`, and so may ask questions.
    pub(crate) interactive: bool,
}

impl CommandContext {
    /// Reads the paths from the environment.
    pub(crate) fn from_environment(no_input: bool) -> Result<Self, PathsError> {
        Ok(Self { paths: Paths::from_environment()?, interactive: terminal::is_interactive(no_input) })
    }
}
