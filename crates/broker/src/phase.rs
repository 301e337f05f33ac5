//! Whether secrets are in memory and may be served.

use ssod_model::Refusal;

/// Why nothing is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The vault is being opened; in a moment it is known what there is.
    Opening,
    /// Somebody, or the key store, must unlock it.
    Locked {
        /// What is the matter, as a sentence.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

impl Closed {
    /// In the words that an SDK shows.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Opening => Refusal::Opening,
            Self::Locked { reason, remedy } => {
                Refusal::Locked { reason: reason.clone(), remedy: remedy.clone() }
            }
        }
    }
}
