//! The answer to a request, with what the audit log needs.

use axum::http::StatusCode;
use axum::response::Response;
use ssod_model::{ProfileName, Refusal};

use crate::audit::Outcome;
use crate::wire;

/// The answer to one request.
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// The profile that the request was about, if the answer shows it.
    pub(crate) profile: Option<ProfileName>,
    /// What to record; nothing if it was not about credentials and went well.
    pub(crate) outcome: Option<Outcome>,
}

impl Answer {
    /// Credentials.
    pub(crate) fn served(profile: ProfileName, response: Response) -> Self {
        Self { response, profile: Some(profile), outcome: Some(Outcome::Served) }
    }

    /// Something that is not recorded.
    pub(crate) fn unrecorded(response: Response) -> Self {
        Self { response, profile: None, outcome: None }
    }

    /// A refusal in AWS's form.
    pub(crate) fn refused(profile: Option<ProfileName>, refusal: &Refusal) -> Self {
        let reason = format!("{}: {}", refusal.code(), refusal.reason());
        Self { response: wire::refusal(refusal), profile, outcome: Some(Outcome::Refused { reason }) }
    }

    /// A refusal as IMDS sends it: a document that is not available is forbidden, whatever the reason.
    pub(crate) fn forbidden(refusal: &Refusal) -> Self {
        let mut answer = Self::refused(None, refusal);
        *answer.response.status_mut() = StatusCode::FORBIDDEN;
        answer
    }

    /// A refusal by its status alone.
    pub(crate) fn failed(response: Response, reason: &str) -> Self {
        Self { response, profile: None, outcome: Some(Outcome::Refused { reason: reason.to_owned() }) }
    }
}
