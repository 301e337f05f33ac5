//! What the user asked to measure.

/// What the user asked for.
pub(super) struct Options {
    pub(super) quick: bool,
    pub(super) long: bool,
}

impl Options {
    /// Returns for how long each server is under load each time.
    pub(super) fn seconds(&self) -> u32 {
        if self.quick { 1 } else { 3 }
    }
}
