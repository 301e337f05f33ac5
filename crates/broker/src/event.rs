//! What happens to sessions, for those who show it or pass it on.

use ssod_model::SessionName;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody signed in, or the sign-in was renewed: there is another access token.
    TokenChanged(SessionName),
    /// AWS ended it. Told once.
    Ended {
        /// Which.
        session: SessionName,
        /// Why, as part of a sentence.
        reason: String,
    },
    /// There may be other sessions and profiles.
    Configured,
    /// Somebody signed out.
    SignedOut(SessionName),
}
