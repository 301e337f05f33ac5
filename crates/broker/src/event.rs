//! What happens to sessions, for notices and other subscribers.

use ssod_model::SessionName;

/// An event of a session, or of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session has a new access token: the user signed in, or the sign-in was renewed.
    TokenChanged(SessionName),
    /// AWS ended the session. Sent once for each end.
    Ended {
        /// The session.
        session: SessionName,
        /// The reason, as part of a sentence.
        reason: String,
    },
    /// The AWS config file was applied, so the sessions and profiles may have changed.
    Configured,
    /// The user signed out.
    SignedOut(SessionName),
}
