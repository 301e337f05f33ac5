//! What happens to sessions, for notices and other subscribers.

use ssod_model::SessionName;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The user signed in, or the sign-in was renewed: there is another access token.
    TokenChanged(SessionName),
    /// AWS ended the session. It is sent once.
    Ended {
        /// The session.
        session: SessionName,
        /// The reason, as part of a sentence.
        reason: String,
    },
    /// The sessions and profiles may have changed.
    Configured,
    /// The user signed out.
    SignedOut(SessionName),
}
