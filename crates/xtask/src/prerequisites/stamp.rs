//! A file that records the inputs of a folder, so the folder is created again only after its inputs change.

use std::path::PathBuf;

use anyhow::Result;

pub(crate) struct Stamp {
    path: PathBuf,
    /// The current inputs.
    inputs: String,
}

impl Stamp {
    pub(crate) fn new(path: PathBuf, inputs: impl Into<String>) -> Self {
        Self { path, inputs: inputs.into() }
    }

    /// Returns whether the folder was created from the current inputs.
    pub(crate) fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|recorded| recorded == self.inputs)
    }

    /// Records the current inputs.
    #[expect(clippy::disallowed_methods, reason = "if the stamp is lost, the folder is only created again")]
    pub(crate) fn save(&self) -> Result<()> {
        Ok(std::fs::write(&self.path, &self.inputs)?)
    }
}
