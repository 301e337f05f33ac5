//! What a connection of this user shows before it may use the user's whole share.

use crate::capacity::Slot;

/// What shows that a connection belongs to a program that uses ssod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The handler calls [`CallerProof::confirm`], because the caller has sent a valid token.
    Token,
    /// A request has arrived completely. For listeners that have no token, and whose access is limited otherwise.
    CompleteRequest,
}

/// Lets a handler confirm that the caller has shown its token. The routes of a router get it as an extension.
#[derive(Clone, Debug)]
pub struct CallerProof(Slot);

impl CallerProof {
    pub(crate) fn new(slot: Slot) -> Self {
        Self(slot)
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.0
    }

    /// Records that the caller has shown a valid token on this connection.
    pub fn confirm(&self) {
        self.0.prove();
    }
}
