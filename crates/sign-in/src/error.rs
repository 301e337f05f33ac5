//! Why a sign-in failed.

use ssod_model::IdentityError;
use thiserror::Error;

/// Why a sign-in failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FlowError {
    /// The user denied the sign-in in the browser.
    #[error("the sign-in was denied in the browser")]
    Denied,
    /// The user did not answer in time.
    #[error("the sign-in was not approved in time")]
    TimedOut,
    /// Identity Center redirected the browser with an error.
    #[error("Identity Center refused the sign-in: {0}")]
    Refused(String),
    /// The call to Identity Center failed.
    #[error(transparent)]
    Identity(IdentityError),
    /// The callback's listener could not be set up, or the tokens could not be saved.
    #[error("{0}")]
    Local(String),
}

impl From<IdentityError> for FlowError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Denied => Self::Denied,
            IdentityError::CodeExpired => Self::TimedOut,
            error => Self::Identity(error),
        }
    }
}
