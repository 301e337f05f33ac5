//! The two ways in: a device code that a person approves on any machine, and the browser with PKCE.

mod browser;
mod callback;
mod device_code;
mod page;
mod pkce;

use ssod_model::IdentityError;
use thiserror::Error;

pub use browser::browser;
pub use device_code::device_code;

/// Why nobody is signed in now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The person pressed deny.
    #[error("the sign-in was denied in the browser")]
    Denied,
    /// Nobody answered in time.
    #[error("nobody approved the sign-in in time")]
    TimedOut,
    /// Identity Center sent the browser back with an error.
    #[error("Identity Center refused the sign-in: {0}")]
    Refused(String),
    /// The call to Identity Center failed.
    #[error(transparent)]
    Identity(IdentityError),
    /// The callback's listener could not be set up, or the tokens could not be kept.
    #[error("{0}")]
    Local(String),
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Denied => Self::Denied,
            IdentityError::CodeExpired => Self::TimedOut,
            error => Self::Identity(error),
        }
    }
}
