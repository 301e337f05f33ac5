//! What every command gets.

use ssod_control::{Paths, PathsError};

use crate::terminal;

/// The paths on disk, and whether the user can be asked.
pub(crate) struct Context {
    pub(crate) paths: Paths,
    /// Whether the command may ask questions: it runs in a terminal, without `--no-input`.
    pub(crate) interactive: bool,
}

impl Context {
    /// Finds the paths by the environment.
    pub(crate) fn from_environment(no_input: bool) -> Result<Self, PathsError> {
        Ok(Self { paths: Paths::from_environment()?, interactive: terminal::is_interactive(no_input) })
    }
}
