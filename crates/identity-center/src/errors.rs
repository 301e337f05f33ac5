//! Turns AWS's error answers into `IdentityError`, which has one variant for each reaction.

use std::time::Duration;

use ssod_model::IdentityError;

use crate::wire::AwsErrorBody;

/// The service that answered. The same status has a different meaning for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sign-in and renewal.
    Oidc,
    /// Accounts and role credentials.
    Portal,
}

impl Service {
    /// Returns its name in messages for users.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Oidc => "Identity Center's sign-in service",
            Self::Portal => "the SSO portal",
        }
    }
}

/// An answer whose status is not a success.
pub struct ErrorAnswer<'a> {
    /// The service that sent it.
    pub service: Service,
    /// The HTTP status.
    pub status: u16,
    /// The header `x-amzn-errortype`.
    pub error_type: Option<&'a str>,
    /// The header `Retry-After`, in seconds. AWS does not document it, but ssod obeys it.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: &'a [u8],
}

/// Returns the error for an answer. The name of the error decides; if it is unknown, the status does.
pub fn classify(answer: &ErrorAnswer<'_>) -> IdentityError {
    let parsed = serde_json::from_slice::<AwsErrorBody>(answer.body);
    let is_json = parsed.is_ok();
    let body = parsed.unwrap_or_default();
    let name = answer.error_type.or(body.code.as_deref()).or(body.kind.as_deref()).map(short_name);
    let name = name.or_else(|| body.error.as_deref().map(exception_of));
    let text = describe(answer, &body, is_json);
    match (answer.service, name) {
        (Service::Oidc, Some("AuthorizationPendingException")) => IdentityError::Pending,
        (Service::Oidc, Some("SlowDownException")) => IdentityError::SlowDown,
        (Service::Oidc, Some("ExpiredTokenException")) => IdentityError::CodeExpired,
        (Service::Oidc, Some("AccessDeniedException")) => match body.reason {
            Some(_) => IdentityError::Rejected(text),
            None => IdentityError::Denied,
        },
        (Service::Oidc, Some("InvalidClientException")) => IdentityError::RegistrationRejected,
        (Service::Oidc, Some("InvalidGrantException")) => IdentityError::GrantRejected,
        (Service::Portal, Some("UnauthorizedException")) => IdentityError::Unauthorized,
        (Service::Portal, Some("ForbiddenException")) => IdentityError::NoAccess,
        (_, Some("TooManyRequestsException")) => throttled(answer),
        (_, Some("InternalServerException")) => unavailable(answer, text),
        _ => by_status(answer, text, is_json),
    }
}

/// Returns the error for an answer without a known name. An answer that is not JSON comes from a proxy and not from
/// AWS, so it must not end a sign-in.
fn by_status(answer: &ErrorAnswer<'_>, text: String, is_json: bool) -> IdentityError {
    match (answer.service, answer.status) {
        (_, 401 | 403 | 404 | 407) if !is_json => IdentityError::Unavailable(text),
        (_, 429) => throttled(answer),
        (_, 500..=599 | 408) => unavailable(answer, text),
        (Service::Oidc, 401) => IdentityError::RegistrationRejected,
        (Service::Portal, 401) => IdentityError::Unauthorized,
        (Service::Portal, 403 | 404) => IdentityError::NoAccess,
        _ => IdentityError::Rejected(text),
    }
}

/// Returns the error for a failure of the service. If the answer has a Retry-After, ssod waits that long.
fn unavailable(answer: &ErrorAnswer<'_>, text: String) -> IdentityError {
    if answer.retry_after.is_some() { throttled(answer) } else { IdentityError::Unavailable(text) }
}

fn throttled(answer: &ErrorAnswer<'_>) -> IdentityError {
    IdentityError::Throttled { retry_after: answer.retry_after.map(Duration::from_secs) }
}

/// Returns `Name` for `com.amazonaws.switchboard.portal#Name:http://…`.
fn short_name(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or(kind);
    kind.rsplit('#').next().unwrap_or(kind).trim()
}

/// Returns AWS's exception for an `error` code of RFC 6749, for bodies that have only that.
fn exception_of(error: &str) -> &str {
    match error {
        "authorization_pending" => "AuthorizationPendingException",
        "slow_down" => "SlowDownException",
        "expired_token" => "ExpiredTokenException",
        "access_denied" => "AccessDeniedException",
        "invalid_client" => "InvalidClientException",
        "invalid_grant" => "InvalidGrantException",
        "server_error" => "InternalServerException",
        other => other,
    }
}

/// Returns the text for users.
fn describe(answer: &ErrorAnswer<'_>, body: &AwsErrorBody, is_json: bool) -> String {
    let service = answer.service.name();
    let description = body.error_description.as_deref().or(body.message.as_deref()).or(body.error.as_deref());
    let description = description.map(printable).filter(|text| !text.is_empty());
    match description {
        Some(description) => format!("{service} answered {}: {description}", answer.status),
        None if is_json => format!("{service} answered {}", answer.status),
        None => format!("{service} answered {} with something that is not JSON", answer.status),
    }
}

/// Returns at most 200 characters of the text, without control characters, because a terminal shows them.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(service: Service, status: u16, error_type: Option<&str>, body: &str) -> IdentityError {
        classify(&ErrorAnswer { service, status, error_type, retry_after: None, body: body.as_bytes() })
    }

    #[test]
    fn a_retry_after_makes_an_unavailable_service_a_throttled_one() {
        let answer = ErrorAnswer {
            service: Service::Portal,
            status: 503,
            error_type: None,
            retry_after: Some(120),
            body: b"{}",
        };
        let throttled = IdentityError::Throttled { retry_after: Some(Duration::from_mins(2)) };
        assert_eq!(classify(&answer), throttled);
        assert!(matches!(classified(Service::Portal, 503, None, "{}"), IdentityError::Unavailable(_)));
    }

    #[test]
    fn each_error_name_has_its_own_variant() {
        use IdentityError as E;
        let throttled = E::Throttled { retry_after: None };
        for (service, status, name, expected) in [
            (Service::Oidc, 400, "AuthorizationPendingException", E::Pending),
            (Service::Oidc, 400, "SlowDownException", E::SlowDown),
            (Service::Oidc, 400, "ExpiredTokenException", E::CodeExpired),
            (Service::Oidc, 400, "AccessDeniedException", E::Denied),
            (Service::Oidc, 401, "InvalidClientException", E::RegistrationRejected),
            (Service::Oidc, 400, "InvalidGrantException:http://x", E::GrantRejected),
            (Service::Portal, 401, "com.amazonaws.switchboard.portal#UnauthorizedException", E::Unauthorized),
            (Service::Portal, 403, "ForbiddenException", E::NoAccess),
            (Service::Portal, 400, "ForbiddenException", E::NoAccess),
            (Service::Portal, 429, "TooManyRequestsException", throttled),
        ] {
            assert_eq!(classified(service, status, Some(name), "{}"), expected, "{name}");
        }
    }

    #[test]
    fn the_name_in_the_body_counts_if_there_is_no_header() {
        assert_eq!(
            classified(Service::Oidc, 400, None, r#"{"error":"invalid_grant"}"#),
            IdentityError::GrantRejected
        );
        assert_eq!(
            classified(
                Service::Portal,
                429,
                None,
                r#"{"message":"HTTP 429 Unknown Code","__type":"com.amazonaws.switchboard.portal#TooManyRequestsException"}"#
            ),
            IdentityError::Throttled { retry_after: None }
        );
        assert_eq!(
            classified(Service::Portal, 403, None, r#"{"message":"No access"}"#),
            IdentityError::NoAccess
        );
    }

    #[test]
    fn the_description_for_users_has_no_control_characters() {
        let body = r#"{"error":"invalid_scope","error_description":"bad\u001b[31m scope"}"#;
        assert_eq!(
            classified(Service::Oidc, 400, Some("InvalidScopeException"), body).to_string(),
            "Identity Center's sign-in service answered 400: bad[31m scope"
        );
    }

    #[test]
    fn an_answer_that_is_not_json_comes_from_a_proxy_and_ends_no_sign_in() {
        for (service, status) in [(Service::Oidc, 401), (Service::Portal, 401), (Service::Portal, 403)] {
            let from_proxy = classified(service, status, None, "<html>sign in to the proxy</html>");
            assert!(matches!(from_proxy, IdentityError::Unavailable(_)), "{status}: {from_proxy}");
        }
        assert_eq!(
            classified(Service::Portal, 502, None, "<html>").to_string(),
            "the SSO portal answered 502 with something that is not JSON"
        );
    }
}
