//! The errors of the two services, in AWS's format.

use serde_json::{Value, json};

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The exception's name, for `x-amzn-errortype`.
    pub exception: &'static str,
    /// The error code of RFC 6749; `None` for an error of the portal.
    pub error_code: Option<&'static str>,
    /// The description for the user.
    pub description: String,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn oidc(
        status: u16,
        exception: &'static str,
        error_code: &'static str,
        description: &str,
    ) -> Self {
        Self {
            status,
            exception,
            error_code: Some(error_code),
            description: description.to_owned(),
            retry_after: None,
        }
    }

    pub(crate) fn portal(status: u16, exception: &'static str, description: &str) -> Self {
        Self { status, exception, error_code: None, description: description.to_owned(), retry_after: None }
    }

    pub(crate) fn invalid_request(description: &str) -> Self {
        Self::oidc(400, "InvalidRequestException", "invalid_request", description)
    }

    pub(crate) fn invalid_grant(description: &str) -> Self {
        Self::oidc(400, "InvalidGrantException", "invalid_grant", description)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::portal(401, "UnauthorizedException", "Session token not found or invalid")
    }

    /// Returns the body. An OIDC error has no `message`, and a portal error has no `error`.
    pub(crate) fn body(&self) -> Value {
        if let Some(code) = self.error_code {
            json!({ "error": code, "error_description": self.description })
        } else {
            let kind = format!("com.amazonaws.switchboard.portal#{}", self.exception);
            json!({ "message": self.description, "__type": kind })
        }
    }
}
