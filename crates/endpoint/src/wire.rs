//! AWS's JSON for SDKs, and the only place where a refusal becomes an HTTP response.

use std::sync::Arc;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;
use ssod_model::{AccountId, Refusal, RoleCredentials, Timestamp};

/// The response to one request.
pub(crate) type Answer = Response<AnswerBody>;

/// A body of up to three parts, of which the second may be the session token itself, so that it is not copied.
pub(crate) type AnswerBody = Full<Chain<Chain<Bytes, Bytes>, Bytes>>;

/// Returns a body of one part.
pub(crate) fn body(bytes: impl Into<Bytes>) -> AnswerBody {
    Full::new(bytes.into().chain(Bytes::new()).chain(Bytes::new()))
}

/// Everything in an answer with credentials except the session token.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described<'a, P> {
    #[serde(flatten)]
    preamble: P,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    expiration: String,
    account_id: &'a str,
}

/// What only IMDS has.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImdsPreamble {
    code: &'static str,
    last_updated: String,
    r#type: &'static str,
}

/// Returns the response of the container endpoint.
pub(crate) fn container(credentials: &Arc<RoleCredentials>, account_id: &AccountId) -> Answer {
    with_credentials((), credentials, account_id)
}

/// Returns the IMDS document with the credentials.
pub(crate) fn imds(credentials: &Arc<RoleCredentials>, account_id: &AccountId) -> Answer {
    let last_updated = rfc3339(credentials.issued_at);
    let preamble = ImdsPreamble { code: "Success", last_updated, r#type: "AWS-HMAC" };
    with_credentials(preamble, credentials, account_id)
}

/// The size of everything but the session token, with room to spare, so that the buffer never grows.
const DESCRIBED_BYTES: usize = 512;

/// The session token, which is nearly the whole answer, is sent from the memory of the credentials: no copy of it is made,
/// and none must be wiped.
fn with_credentials<P: Serialize>(
    preamble: P,
    credentials: &Arc<RoleCredentials>,
    account_id: &AccountId,
) -> Answer {
    let mut described = Vec::with_capacity(DESCRIBED_BYTES);
    let answer = Described {
        preamble,
        access_key_id: &credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.expose(),
        expiration: rfc3339(credentials.expiration),
        account_id: account_id.as_str(),
    };
    let written = serde_json::to_writer(&mut described, &answer);
    if written.is_err() || described.pop() != Some(b'}') {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    }
    // Only `credential_process` calls it `SessionToken`.
    described.extend_from_slice(br#","Token":""#);
    let token = Bytes::from_owner(SessionToken(credentials.clone()));
    let token = if is_plain(&token) { token } else { escaped(credentials.session_token.expose()) };
    json(StatusCode::OK, Full::new(Bytes::from(described).chain(token).chain(Bytes::from_static(br#""}"#))))
}

/// The session token of credentials that are in memory.
struct SessionToken(Arc<RoleCredentials>);

impl AsRef<[u8]> for SessionToken {
    fn as_ref(&self) -> &[u8] {
        self.0.session_token.expose().as_bytes()
    }
}

/// Returns whether a text is the same in JSON. AWS's tokens are base64, so they are.
fn is_plain(text: &[u8]) -> bool {
    let is_escaped = |byte: &&u8| matches!(**byte, ..b' ' | b'"' | b'\\');
    // A count has no early end, so the compiler compares many bytes at a time.
    text.iter().filter(is_escaped).count() == 0
}

/// Returns the text as it is between the quotation marks of JSON.
fn escaped(text: &str) -> Bytes {
    let mut quoted = Bytes::from(serde_json::Value::from(text).to_string());
    quoted.truncate(quoted.len().saturating_sub(1));
    quoted.advance(quoted.len().min(1));
    quoted
}

/// Returns a refusal with both spellings of its keys: the Go SDK reads the lower-case ones, the JavaScript SDK the
/// capitalized ones.
pub(crate) fn refusal(refusal: &Refusal) -> Answer {
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
pub(crate) fn not_found() -> Answer {
    let message = "There is nothing at this path.";
    let body = json!({ "code": "NotFound", "message": message, "Code": "NotFound", "Message": message });
    json_response(StatusCode::NOT_FOUND, &body)
}

/// Returns the response for an IMDS request without a live token. SDKs read only its status.
pub(crate) fn unauthorized() -> Answer {
    status(StatusCode::UNAUTHORIZED)
}

/// Returns the response for a method that the path does not support.
pub(crate) fn method_not_allowed() -> Answer {
    status(StatusCode::METHOD_NOT_ALLOWED)
}

/// Returns a response without a body.
pub(crate) fn status(status: StatusCode) -> Answer {
    let mut response = Response::new(body(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// Returns plain text without a newline at the end, because boto uses it verbatim.
pub(crate) fn text(text: impl Into<String>) -> Answer {
    let mut response = Response::new(body(text.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Returns JSON with exactly the content type `application/json`, because the Go SDK checks for it.
pub(crate) fn json_response(code: StatusCode, content: &impl Serialize) -> Answer {
    match serde_json::to_vec(content) {
        Ok(content) => json(code, body(content)),
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn json(code: StatusCode, body: AnswerBody) -> Answer {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut response = Response::new(body);
    *response.status_mut() = code;
    *response.headers_mut() = headers;
    response
}

/// Formats as RFC 3339 in whole seconds, because boto does not refresh early if there is a fraction. Rounds down, so
/// that the SDK never uses expired credentials.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    format!("{at:.0}")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use proptest::prelude::*;
    use ssod_model::Secret;

    use super::*;

    fn credentials(secret_access_key: &str, session_token: &str) -> Arc<RoleCredentials> {
        Arc::new(RoleCredentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new(secret_access_key.to_owned()),
            session_token: Secret::new(session_token.to_owned()),
            issued_at: Timestamp::from_second(1_800_000_000).unwrap(),
            expiration: Timestamp::from_millisecond(1_800_003_600_999).unwrap(),
        })
    }

    fn content(answer: Answer) -> serde_json::Value {
        let collected = answer.into_body().collect();
        let bytes = futures_util::FutureExt::now_or_never(collected).unwrap().unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    proptest! {
        /// The token is not copied through a JSON encoder, so any token must be the same as through one.
        #[test]
        fn an_answer_is_the_json_of_the_credentials(secret in ".*", token in ".*") {
            let account = AccountId::parse("123456789012").unwrap();
            let credentials = credentials(&secret, &token);
            let expected = json!({
                "AccessKeyId": "ASIAEXAMPLE",
                "SecretAccessKey": secret,
                "Token": token,
                "Expiration": "2027-01-15T09:00:00Z",
                "AccountId": "123456789012",
            });
            prop_assert_eq!(content(container(&credentials, &account)), expected.clone());
            let mut imds_document = content(imds(&credentials, &account));
            let members = imds_document.as_object_mut().unwrap();
            let own = ["Code", "LastUpdated", "Type"].map(|name| members.remove(name).unwrap());
            prop_assert_eq!(own, ["Success", "2027-01-15T08:00:00Z", "AWS-HMAC"]);
            prop_assert_eq!(imds_document, expected);
        }
    }
}
