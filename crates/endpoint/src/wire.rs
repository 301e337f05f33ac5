//! AWS's JSON for SDKs, and the only place where a refusal becomes an HTTP response.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use ssod_model::{Profile, Refusal, RoleCredentials, Timestamp};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerCredentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    /// Only `credential_process` calls it `SessionToken`.
    token: &'a str,
    expiration: String,
    account_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImdsCredentials<'a> {
    code: &'static str,
    last_updated: String,
    r#type: &'static str,
    #[serde(flatten)]
    credentials: ContainerCredentials<'a>,
}

fn container_credentials<'a>(
    credentials: &'a RoleCredentials,
    profile: &'a Profile,
) -> ContainerCredentials<'a> {
    ContainerCredentials {
        access_key_id: &credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.expose(),
        token: credentials.session_token.expose(),
        expiration: rfc3339(credentials.expiration),
        account_id: profile.account_id.as_str(),
    }
}

/// Returns the response of the container endpoint.
pub(crate) fn container(credentials: &RoleCredentials, profile: &Profile) -> Response {
    json_response(StatusCode::OK, &container_credentials(credentials, profile))
}

/// Returns the IMDS document with the credentials.
pub(crate) fn imds(credentials: &RoleCredentials, profile: &Profile) -> Response {
    let document = ImdsCredentials {
        code: "Success",
        last_updated: rfc3339(credentials.issued_at),
        r#type: "AWS-HMAC",
        credentials: container_credentials(credentials, profile),
    };
    json_response(StatusCode::OK, &document)
}

/// Returns a refusal with both spellings of its keys: the Go SDK reads the lower-case ones, the JavaScript SDK the
/// capitalized ones.
pub(crate) fn refusal(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::InvalidToken(_) => StatusCode::UNAUTHORIZED,
        Refusal::CallerRefused(_)
        | Refusal::LoginRequired { .. }
        | Refusal::NoAccess { .. }
        | Refusal::Locked { .. } => StatusCode::FORBIDDEN,
        Refusal::ProfileNotFound(_) | Refusal::NoActiveProfile => StatusCode::NOT_FOUND,
        Refusal::Unavailable { .. } | Refusal::Opening => StatusCode::SERVICE_UNAVAILABLE,
    };
    let (code, message) = (refusal.code(), refusal.to_string());
    json_response(status, &json!({ "code": code, "message": message, "Code": code, "Message": message }))
}

/// Returns the response for a path without a resource.
pub(crate) fn not_found() -> Response {
    let message = "There is nothing at this path.";
    let body = json!({ "code": "NotFound", "message": message, "Code": "NotFound", "Message": message });
    json_response(StatusCode::NOT_FOUND, &body)
}

/// Returns the response for an IMDS request without a live token. SDKs read only its status.
pub(crate) fn unauthorized() -> Response {
    StatusCode::UNAUTHORIZED.into_response()
}

/// Returns the response for a method that the path does not support.
pub(crate) fn method_not_allowed() -> Response {
    StatusCode::METHOD_NOT_ALLOWED.into_response()
}

/// Returns plain text without a newline at the end, because boto uses it verbatim.
pub(crate) fn text(text: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))], text.into()).into_response()
}

/// Returns JSON with exactly the content type `application/json`, because the Go SDK checks for it.
pub(crate) fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(body) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, body).into_response()
}

/// Formats as RFC 3339 in whole seconds, because boto does not refresh early if there is a fraction. Rounds down, so
/// that the SDK never uses expired credentials.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
