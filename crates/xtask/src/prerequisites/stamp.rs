//! A file that records what a folder was made from, so that it is made again only after a change.

use std::path::PathBuf;

use anyhow::Result;

pub(crate) struct Stamp {
    path: PathBuf,
    /// What the folder should be made from.
    wanted: String,
}

impl Stamp {
    pub(crate) fn new(path: PathBuf, wanted: impl Into<String>) -> Self {
        Self { path, wanted: wanted.into() }
    }

    /// Returns whether the folder was made from what is wanted.
    pub(crate) fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|recorded| recorded == self.wanted)
    }

    #[expect(clippy::disallowed_methods, reason = "if the stamp is lost, the folder is only made again")]
    pub(crate) fn save(&self) -> Result<()> {
        Ok(std::fs::write(&self.path, &self.wanted)?)
    }
}
