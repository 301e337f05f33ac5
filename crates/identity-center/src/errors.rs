//! From AWS's error answers to one variant per reaction.

use std::time::Duration;

use ssod_model::IdentityError;

use crate::wire::ErrorBody;

/// The service that answered: the same status means different things at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sign-in and renewal.
    Oidc,
    /// Accounts and role credentials.
    Portal,
}

/// An answer that is not a success, as far as it matters.
pub struct ErrorAnswer<'a> {
    /// Whose.
    pub service: Service,
    /// The status.
    pub status: u16,
    /// `x-amzn-errortype`.
    pub error_type: Option<&'a str>,
    /// `Retry-After`, in seconds. AWS documents none; it is obeyed where it comes.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: &'a [u8],
}

/// How to react to it. The name of the error counts first, then the status.
pub fn classify(answer: &ErrorAnswer<'_>) -> IdentityError {
    let parsed = serde_json::from_slice::<ErrorBody>(answer.body);
    let is_json = parsed.is_ok();
    let body = parsed.unwrap_or_default();
    let kind = answer.error_type.or(body.code.as_deref()).or(body.kind.as_deref()).map(short_name);
    let kind = kind.or_else(|| body.error.as_deref().map(exception_of));
    let text = describe(answer, &body, is_json);
    match (answer.service, kind) {
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

/// An answer without a name that is known. One that is not even JSON is not AWS's, but a proxy's on the way: it must
/// not end a sign-in.
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

/// No usable answer; where AWS says when to come back, that counts.
fn unavailable(answer: &ErrorAnswer<'_>, text: String) -> IdentityError {
    if answer.retry_after.is_some() { throttled(answer) } else { IdentityError::Unavailable(text) }
}

fn throttled(answer: &ErrorAnswer<'_>) -> IdentityError {
    IdentityError::Throttled { retry_after: answer.retry_after.map(Duration::from_secs) }
}

/// `com.amazonaws.switchboard.portal#Name:http://…` is `Name`.
fn short_name(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or(kind);
    kind.rsplit('#').next().unwrap_or(kind).trim()
}

/// The exception for a body that only has RFC 6749's `error`.
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

/// Returns the text for users. AWS's description is shortened and has no control characters, because it reaches terminals.
fn describe(answer: &ErrorAnswer<'_>, body: &ErrorBody, is_json: bool) -> String {
    let service = match answer.service {
        Service::Oidc => "Identity Center's sign-in service",
        Service::Portal => "the SSO portal",
    };
    let said = body.error_description.as_deref().or(body.message.as_deref()).or(body.error.as_deref());
    let said = said.map(plain).filter(|said| !said.is_empty());
    match said {
        Some(said) => format!("{service} answered {}: {said}", answer.status),
        None if is_json => format!("{service} answered {}", answer.status),
        None => format!("{service} answered {} with something that is not JSON", answer.status),
    }
}

/// At most 200 characters, none of which moves a cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn react(service: Service, status: u16, error_type: Option<&str>, body: &str) -> IdentityError {
        classify(&ErrorAnswer { service, status, error_type, retry_after: None, body: body.as_bytes() })
    }

    #[test]
    fn a_server_that_says_when_to_come_back_is_obeyed() {
        let answer = ErrorAnswer {
            service: Service::Portal,
            status: 503,
            error_type: None,
            retry_after: Some(120),
            body: b"{}",
        };
        let reaction = IdentityError::Throttled { retry_after: Some(Duration::from_mins(2)) };
        assert_eq!(classify(&answer), reaction);
        assert!(matches!(react(Service::Portal, 503, None, "{}"), IdentityError::Unavailable(_)));
    }

    #[test]
    fn every_error_of_the_models_has_its_reaction() {
        use IdentityError as E;
        let slow = E::Throttled { retry_after: None };
        for (service, status, kind, reaction) in [
            (Service::Oidc, 400, "AuthorizationPendingException", E::Pending),
            (Service::Oidc, 400, "SlowDownException", E::SlowDown),
            (Service::Oidc, 400, "ExpiredTokenException", E::CodeExpired),
            (Service::Oidc, 400, "AccessDeniedException", E::Denied),
            (Service::Oidc, 401, "InvalidClientException", E::RegistrationRejected),
            (Service::Oidc, 400, "InvalidGrantException:http://x", E::GrantRejected),
            (Service::Portal, 401, "com.amazonaws.switchboard.portal#UnauthorizedException", E::Unauthorized),
            (Service::Portal, 403, "ForbiddenException", E::NoAccess),
            (Service::Portal, 400, "ForbiddenException", E::NoAccess),
            (Service::Portal, 429, "TooManyRequestsException", slow),
        ] {
            assert_eq!(react(service, status, Some(kind), "{}"), reaction, "{kind}");
        }
    }

    #[test]
    fn the_body_tells_where_the_header_does_not() {
        assert_eq!(
            react(Service::Oidc, 400, None, r#"{"error":"invalid_grant"}"#),
            IdentityError::GrantRejected
        );
        assert_eq!(
            react(
                Service::Portal,
                429,
                None,
                r#"{"message":"HTTP 429 Unknown Code","__type":"com.amazonaws.switchboard.portal#TooManyRequestsException"}"#
            ),
            IdentityError::Throttled { retry_after: None }
        );
        assert_eq!(react(Service::Portal, 403, None, r#"{"message":"No access"}"#), IdentityError::NoAccess);
    }

    #[test]
    fn the_description_for_users_has_no_control_characters() {
        let body = r#"{"error":"invalid_scope","error_description":"bad\u001b[31m scope"}"#;
        assert_eq!(
            react(Service::Oidc, 400, Some("InvalidScopeException"), body).to_string(),
            "Identity Center's sign-in service answered 400: bad[31m scope"
        );
        for (service, status) in [(Service::Oidc, 401), (Service::Portal, 401), (Service::Portal, 403)] {
            let proxys = react(service, status, None, "<html>sign in to the proxy</html>");
            assert!(matches!(proxys, IdentityError::Unavailable(_)), "{status}: {proxys}");
        }
        assert_eq!(
            react(Service::Portal, 502, None, "<html>").to_string(),
            "the SSO portal answered 502 with something that is not JSON"
        );
    }
}
