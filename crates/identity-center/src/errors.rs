//! Turns AWS's error answers into `IdentityError`, which has one variant for each reaction.
//!
//! AWS names each of its errors. Proxies, captive portals and gateways that inspect TLS answer in AWS's place without
//! such a name. What they report concerns the network, but not the sign-in or the role. So an answer without the name
//! of an error that AWS returns for the operation ends nothing and blocks nothing.

use std::time::Duration;

use serde_json::Value;
use ssod_model::{IdentityError, is_printable};

use crate::operation::{Meaning, Operation, Service, exception_of};

/// An answer whose status is not a success, or whose content is not AWS's.
pub struct ErrorAnswer<'a> {
    /// The operation that was called.
    pub operation: Operation,
    /// The HTTP status.
    pub status: u16,
    /// The header `x-amzn-errortype`.
    pub error_type: Option<&'a str>,
    /// The header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The host that a redirect leads to.
    pub redirect_host: Option<&'a str>,
    /// The header `Retry-After`, in seconds. AWS does not document it, but ssod obeys it.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: &'a [u8],
}

/// Returns the error for an answer that is not a success. The name of the error decides.
pub fn classify(answer: &ErrorAnswer<'_>) -> IdentityError {
    let body: Value = serde_json::from_slice(answer.body).unwrap_or_default();
    let name = error_name(answer, &body);
    let meaning = name.filter(|_| answer.status >= 400).and_then(|name| answer.operation.meaning(name));
    let Some(meaning) = meaning else { return not_from_aws(answer, name) };
    // AWS reports its own failures with 5xx, so a name that says more comes from something else.
    if answer.status >= 500 && meaning != Meaning::Failed {
        return not_from_aws(answer, name);
    }
    let text = describe(answer, &body);
    match meaning {
        Meaning::Is(error) => error,
        Meaning::Denied if text_member(&body, "reason").is_some() => IdentityError::Rejected(text),
        Meaning::Denied => IdentityError::Denied,
        Meaning::Refused => IdentityError::Rejected(text),
        Meaning::Failed if answer.retry_after.is_none() => IdentityError::Unavailable(text),
        Meaning::Failed | Meaning::Throttled => {
            IdentityError::Throttled { retry_after: answer.retry_after.map(Duration::from_secs) }
        }
    }
}

/// Returns the error for an answer that is not AWS's. `name` is the name of an error in it, if there is one.
pub(crate) fn not_from_aws(answer: &ErrorAnswer<'_>, name: Option<&str>) -> IdentityError {
    let is_short = |text: &&str| (1..=64).contains(&text.len());
    let is_type =
        |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.+-_".contains(&byte));
    let content_type = answer.content_type.and_then(|text| text.split(';').next()).map(str::trim);
    let mut summary = answer.status.to_string();
    if let Some(content_type) = content_type.filter(is_short).filter(is_type) {
        summary.push_str(&format!(" {}", content_type.to_ascii_lowercase()));
    }
    if let Some(host) = answer.redirect_host.filter(is_short) {
        summary.push_str(&format!(", a redirect to {}", printable(host)));
    }
    if let Some(name) = name.map(printable).filter(|name| is_short(&name.as_str())) {
        summary.push_str(&format!(", which names the error {name}"));
    }
    let retry_after = answer.retry_after.map(Duration::from_secs);
    IdentityError::NotFromAws { status: answer.status, summary, retry_after }
}

/// Returns the name of the error: from the header, or else from the body. A message is not a name.
fn error_name<'a>(answer: &ErrorAnswer<'a>, body: &'a Value) -> Option<&'a str> {
    let in_body = ["code", "Code", "__type"].into_iter().find_map(|name| text_member(body, name));
    let error_type = answer.error_type.filter(|name| !name.trim().is_empty());
    // Only the sign-in service has RFC 6749's codes.
    let is_oidc = answer.operation.service() == Service::Oidc;
    let code = text_member(body, "error").filter(|_| is_oidc);
    let code = code.map(|code| exception_of(code).unwrap_or(code));
    error_type.or(in_body).map(short_name).or(code)
}

/// Returns the member of a JSON object, if it is a string that is not empty.
fn text_member<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Returns `Name` for `com.amazonaws.switchboard.portal#Name:http://…`.
fn short_name(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or(kind);
    kind.rsplit('#').next().unwrap_or(kind).trim()
}

/// Returns the text for users.
fn describe(answer: &ErrorAnswer<'_>, body: &Value) -> String {
    let (service, status) = (answer.operation.service(), answer.status);
    let descriptions = ["error_description", "message", "Message", "error"];
    let description = descriptions.into_iter().find_map(|name| text_member(body, name)).map(printable);
    match description.filter(|text| !text.is_empty()) {
        Some(description) => format!("{service} answered {status}: {description}"),
        None => format!("{service} answered {status}"),
    }
}

/// Returns at most 200 characters of the text, without those that could control the terminal that shows it.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|character| is_printable(*character)).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = "<html>sign in to the network</html>";

    fn answer(operation: Operation, status: u16) -> ErrorAnswer<'static> {
        ErrorAnswer {
            operation,
            status,
            error_type: None,
            content_type: Some("application/json"),
            redirect_host: None,
            retry_after: None,
            body: b"{}",
        }
    }

    fn named(operation: Operation, status: u16, name: &str) -> IdentityError {
        classify(&ErrorAnswer { error_type: Some(name), ..answer(operation, status) })
    }

    fn with_body(operation: Operation, status: u16, body: &str) -> IdentityError {
        classify(&ErrorAnswer { body: body.as_bytes(), ..answer(operation, status) })
    }

    fn is_foreign(error: &IdentityError) -> bool {
        matches!(error, IdentityError::NotFromAws { .. })
    }

    #[test]
    fn an_answer_without_a_name_is_not_awss_whatever_its_status() {
        let statuses = [300, 302, 307, 400, 401, 403, 404, 407, 408, 413, 418, 421, 429, 500, 502, 503, 504];
        let bodies = [
            HTML,
            "",
            "{}",
            "null",
            "[]",
            r#""InvalidGrantException""#,
            r#"{"message":"InvalidGrantException: the sign-in has ended"}"#,
            r#"{"message":"No access"}"#,
            r#"{"Message":"Session token not found or invalid"}"#,
            r#"{"code":401,"message":"Unauthorized"}"#,
            r#"{"error":{"code":"InvalidGrantException"}}"#,
            r#"{"errors":["UnauthorizedException"],"__type":null,"error":null}"#,
            r#"{"code":"","__type":"","error":""}"#,
        ];
        for operation in Operation::ALL {
            for status in statuses {
                for body in bodies {
                    let error = with_body(operation, status, body);
                    assert!(is_foreign(&error), "{operation:?} {status} {body}: {error:?}");
                }
            }
        }
    }

    #[test]
    fn each_error_name_has_its_own_variant() {
        use IdentityError as E;
        use Operation as O;
        let throttled = E::Throttled { retry_after: None };
        for (operation, status, name, expected) in [
            (O::CreateToken, 400, "AuthorizationPendingException", E::Pending),
            (O::CreateToken, 400, "SlowDownException", E::SlowDown),
            (O::RegisterClient, 400, "SlowDownException", throttled.clone()),
            (O::CreateToken, 400, "ExpiredTokenException", E::CodeExpired),
            (O::CreateToken, 400, "AccessDeniedException", E::Denied),
            (O::CreateToken, 401, "InvalidClientException", E::RegistrationRejected),
            (O::StartDeviceAuthorization, 401, "InvalidClientException", E::RegistrationRejected),
            (O::CreateToken, 400, "InvalidGrantException:http://x", E::GrantRejected),
            (
                O::GetRoleCredentials,
                401,
                "com.amazonaws.switchboard.portal#UnauthorizedException",
                E::Unauthorized,
            ),
            (O::Logout, 401, "UnauthorizedException", E::Unauthorized),
            (O::GetRoleCredentials, 403, "ForbiddenException", E::NoAccess),
            (O::GetRoleCredentials, 400, "ForbiddenException", E::NoAccess),
            (O::GetRoleCredentials, 404, "ResourceNotFoundException", E::NoAccess),
            (O::ListAccountRoles, 403, "ForbiddenException", E::NoAccess),
            (O::ListAccounts, 429, "TooManyRequestsException", throttled),
        ] {
            assert_eq!(named(operation, status, name), expected, "{name}");
        }
    }

    #[test]
    fn an_error_of_another_operation_is_not_awss() {
        use Operation as O;
        for (operation, status, name) in [
            (O::GetRoleCredentials, 400, "InvalidGrantException"),
            (O::GetRoleCredentials, 401, "InvalidClientException"),
            (O::ListAccounts, 403, "ForbiddenException"),
            (O::CreateToken, 401, "UnauthorizedException"),
            (O::CreateToken, 403, "ForbiddenException"),
            (O::RegisterClient, 400, "InvalidGrantException"),
            (O::StartDeviceAuthorization, 400, "AuthorizationPendingException"),
            (O::GetRoleCredentials, 400, "AccessDeniedException"),
            (O::CreateToken, 401, "Unauthorized"),
            (O::GetRoleCredentials, 403, "Forbidden"),
            // A redirect and a failure of the server are no answer of the operation, whatever they name.
            (O::CreateToken, 302, "InvalidGrantException"),
            (O::CreateToken, 502, "InvalidGrantException"),
            (O::GetRoleCredentials, 503, "UnauthorizedException"),
            (O::GetRoleCredentials, 307, "ForbiddenException"),
        ] {
            let error = named(operation, status, name);
            assert!(is_foreign(&error), "{operation:?} {status} {name}: {error:?}");
        }
        // RFC 6749's codes are the sign-in service's only.
        for body in [r#"{"error":"invalid_request"}"#, r#"{"error":"invalid_grant"}"#] {
            assert!(is_foreign(&with_body(O::GetRoleCredentials, 400, body)), "{body}");
        }
        // The header is the name; the body does not replace it.
        let header = ErrorAnswer {
            error_type: Some("AccessDenied"),
            body: br#"{"error":"invalid_grant"}"#,
            ..answer(O::CreateToken, 400)
        };
        assert!(is_foreign(&classify(&header)));
    }

    #[test]
    fn the_name_in_the_body_counts_if_there_is_no_header() {
        use Operation as O;
        let forbidden = r#"{"code":"ForbiddenException","message":null,"retryable":false}"#;
        for (operation, status, body, expected) in [
            (O::CreateToken, 400, r#"{"error":"invalid_grant"}"#, IdentityError::GrantRejected),
            (
                O::CreateToken,
                401,
                r#"{"error":"invalid_client","code":7}"#,
                IdentityError::RegistrationRejected,
            ),
            (O::GetRoleCredentials, 403, forbidden, IdentityError::NoAccess),
            (
                O::GetRoleCredentials,
                429,
                r#"{"message":"HTTP 429 Unknown Code","__type":"com.amazonaws.switchboard.portal#TooManyRequestsException"}"#,
                IdentityError::Throttled { retry_after: None },
            ),
        ] {
            assert_eq!(with_body(operation, status, body), expected, "{body}");
        }
        let empty_header = ErrorAnswer {
            error_type: Some(" "),
            body: br#"{"error":"invalid_grant"}"#,
            ..answer(O::CreateToken, 400)
        };
        assert_eq!(classify(&empty_header), IdentityError::GrantRejected);
        let by_a_key = r#"{"error":"access_denied","reason":"KMS_AccessDeniedException"}"#;
        assert!(matches!(with_body(O::CreateToken, 400, by_a_key), IdentityError::Rejected(_)));
    }

    #[test]
    fn the_error_describes_what_arrived_instead() {
        let foreign = |status, content_type, redirect_host, error_type| {
            classify(&ErrorAnswer {
                error_type,
                content_type,
                redirect_host,
                ..answer(Operation::GetRoleCredentials, status)
            })
            .to_string()
        };
        for (text, expected) in [
            (
                foreign(403, Some("text/html; charset=utf-8"), None, None),
                "an answer that is not AWS's: 403 text/html",
            ),
            (foreign(421, None, None, None), "an answer that is not AWS's: 421"),
            (foreign(400, Some("te\u{1b}[31mxt"), None, None), "an answer that is not AWS's: 400"),
            (
                foreign(307, Some("TEXT/HTML"), Some("login.hotel.example"), None),
                "an answer that is not AWS's: 307 text/html, a redirect to login.hotel.example",
            ),
            (
                foreign(400, Some("application/json"), None, Some("InvalidGrant\u{7}Exception")),
                "an answer that is not AWS's: 400 application/json, which names the error InvalidGrantException",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_retry_after_is_obeyed() {
        let portal = answer(Operation::GetRoleCredentials, 503);
        let named =
            ErrorAnswer { error_type: Some("InternalServerException"), retry_after: Some(120), ..portal };
        let two_minutes = Some(Duration::from_mins(2));
        assert_eq!(classify(&named), IdentityError::Throttled { retry_after: two_minutes });
        let without = ErrorAnswer { retry_after: None, ..named };
        assert!(matches!(classify(&without), IdentityError::Unavailable(_)));
        let nameless = ErrorAnswer { retry_after: Some(120), ..answer(Operation::CreateToken, 503) };
        let error = classify(&nameless);
        assert!(matches!(error, IdentityError::NotFromAws { retry_after, .. } if retry_after == two_minutes));
    }

    #[test]
    fn the_description_for_users_has_no_control_characters() {
        let body = br#"{"error":"invalid_scope","error_description":"bad\u001b[31m scope"}"#;
        let refused = classify(&ErrorAnswer {
            error_type: Some("InvalidScopeException"),
            body,
            ..answer(Operation::CreateToken, 400)
        });
        assert_eq!(refused.to_string(), "Identity Center's sign-in service answered 400: bad[31m scope");
        let failed = named(Operation::GetRoleCredentials, 500, "InternalServerException");
        assert_eq!(failed.to_string(), "the SSO portal answered 500");
    }
}
