//! The response to a request, with what the audit log needs.

use http::StatusCode;
use ssod_model::{ProfileName, Refusal};

use crate::audit::Outcome;
use crate::wire::{self, Answer};

/// The response to one request.
pub(crate) struct AuditedResponse {
    pub(crate) response: Answer,
    /// The profile that the request was about, if it is known.
    pub(crate) profile: Option<ProfileName>,
    /// What the audit log records; `None` for a request that succeeded without credentials.
    pub(crate) outcome: Option<Outcome>,
}

impl AuditedResponse {
    /// Returns a response with credentials.
    pub(crate) fn served(profile: ProfileName, response: Answer) -> Self {
        Self { response, profile: Some(profile), outcome: Some(Outcome::Served) }
    }

    /// Returns a response that the audit log does not record.
    pub(crate) fn unrecorded(response: Answer) -> Self {
        Self { response, profile: None, outcome: None }
    }

    /// Returns a refusal in AWS's format.
    pub(crate) fn refused(profile: Option<ProfileName>, refusal: &Refusal) -> Self {
        let reason = format!("{}: {}", refusal.code(), refusal.reason());
        let code = match refusal {
            Refusal::CallerRefused(why) => *why,
            refusal => refusal.code(),
        };
        let outcome = Outcome::Refused { code: code.into(), reason };
        Self { response: wire::refusal(refusal), profile, outcome: Some(outcome) }
    }

    /// Returns a refusal as IMDS sends it: 403 for a document that is not available, whatever the reason.
    pub(crate) fn forbidden(refusal: &Refusal) -> Self {
        let mut refused = Self::refused(None, refusal);
        *refused.response.status_mut() = StatusCode::FORBIDDEN;
        refused
    }

    /// Returns a refusal whose reason, which is also its kind, is only in the audit log.
    pub(crate) fn failed(response: Answer, reason: &'static str) -> Self {
        let outcome = Outcome::Refused { code: reason.into(), reason: reason.to_owned() };
        Self { response, profile: None, outcome: Some(outcome) }
    }
}
