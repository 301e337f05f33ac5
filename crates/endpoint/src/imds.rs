//! The part of IMDSv2 that SDKs use to get credentials and a region.
//!
//! Every GET needs a live token: an SDK that gets no token falls back to IMDSv1, which ssod does not support.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::json;
use ssod_model::{Cached, CredentialSource, Floor, Profile, ProfileName, Refusal, Timestamp};

use crate::audited_response::AuditedResponse;
use crate::imds_token::{ImdsTokens, MAX_TTL};
use crate::wire::{self, Answer};

/// The longest wait for a fetch. The Go SDK waits half a second for the first byte.
const MAX_WAIT: Duration = Duration::from_millis(350);
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// The document that a path below `/latest/` names.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Roles,
    Role(&'a str),
    AvailabilityZone,
    Region,
    IdentityDocument,
    IamInfo,
    NotFound,
}

/// Accepts paths with and without a slash at the end, because SDKs differ.
fn route(path: &str) -> Route<'_> {
    let path = path.trim_end_matches('/');
    match path {
        "meta-data/iam/security-credentials" => Route::Roles,
        "meta-data/placement/availability-zone" => Route::AvailabilityZone,
        "meta-data/placement/region" => Route::Region,
        "dynamic/instance-identity/document" => Route::IdentityDocument,
        "meta-data/iam/info" => Route::IamInfo,
        _ => path.strip_prefix("meta-data/iam/security-credentials/").map_or(Route::NotFound, Route::Role),
    }
}

/// Answers with the document at that path, for the pinned profile or the active one. The guard has already checked the
/// token.
pub(crate) async fn answer<S: CredentialSource>(
    source: &S,
    path: &str,
    pinned: Option<&ProfileName>,
) -> AuditedResponse {
    let route = route(path);
    let name = pinned.cloned().or_else(|| source.active());
    let Some(profile) = name.and_then(|name| source.profile(&name)) else {
        return match route {
            Route::Role(_) => AuditedResponse::forbidden(&Refusal::NoActiveProfile),
            _ => AuditedResponse::unrecorded(wire::not_found()),
        };
    };
    AuditedResponse::unrecorded(match route {
        Route::Role(role) => return role_credentials(source, &profile, role).await,
        Route::Roles => roles(source, &profile),
        Route::AvailabilityZone => region(&profile, |region| wire::text(format!("{region}a"))),
        Route::Region => region(&profile, wire::text),
        Route::IdentityDocument => region(&profile, |region| {
            let document = json!({ "region": region, "accountId": profile.account_id.as_str(), "version": "2017-09-30" });
            wire::json_response(StatusCode::OK, &document)
        }),
        Route::IamInfo => {
            let arn = format!("arn:aws:iam::{}:instance-profile/{}", profile.account_id, profile.role_name);
            wire::json_response(StatusCode::OK, &json!({ "Code": "Success", "InstanceProfileArn": arn }))
        }
        Route::NotFound => wire::not_found(),
    })
}

/// Issues a token. The request must have a time to live, and the response repeats it, because the Go SDK needs it.
pub(crate) fn token(tokens: &ImdsTokens, now: Timestamp, port: u16, headers: &HeaderMap) -> AuditedResponse {
    let requested =
        headers.get(TTL_HEADER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let Some(ttl) = requested.filter(|ttl| (1..=MAX_TTL).contains(ttl)) else {
        return AuditedResponse::failed(
            wire::status(StatusCode::BAD_REQUEST),
            "no time to live between 1 and 21600",
        );
    };
    let token = tokens.issue(now, port, ttl);
    let mut response = wire::text(token);
    response.headers_mut().insert(TTL_HEADER, HeaderValue::from(ttl));
    AuditedResponse::unrecorded(response)
}

/// Lists the profile's role. Answers 404 if its credentials would be refused, except for a temporary failure.
fn roles<S: CredentialSource>(source: &S, profile: &Profile) -> Answer {
    match source.cached(&profile.name, Floor::IMDS) {
        Cached::Refused(Refusal::Unavailable { .. }) | Cached::Ready(_) | Cached::Fetch => {
            wire::text(profile.role_name.as_str())
        }
        Cached::Refused(_) => wire::not_found(),
    }
}

async fn role_credentials<S: CredentialSource>(source: &S, profile: &Profile, role: &str) -> AuditedResponse {
    // The active profile may have changed since the SDK listed the role. The SDK must not get another role's
    // credentials.
    if percent_decode_str(role).decode_utf8_lossy() != profile.role_name.as_str() {
        return AuditedResponse::unrecorded(wire::not_found());
    }
    let name = profile.name.clone();
    match source.fetch_within(&name, Floor::IMDS, MAX_WAIT).await {
        Ok(credentials) => AuditedResponse::served(name, wire::imds(&credentials, &profile.account_id)),
        Err(refusal) => AuditedResponse::refused(Some(name), &refusal),
    }
}

fn region(profile: &Profile, answer: impl FnOnce(String) -> Answer) -> Answer {
    profile.region.as_ref().map_or_else(wire::not_found, |region| answer(region.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_the_paths_of_every_sdk() {
        for (path, expected) in [
            ("meta-data/iam/security-credentials/", Route::Roles),
            ("meta-data/iam/security-credentials", Route::Roles),
            ("meta-data/iam/security-credentials/Admin+Role", Route::Role("Admin+Role")),
            ("meta-data/placement/availability-zone/", Route::AvailabilityZone),
            ("meta-data/placement/region", Route::Region),
            ("dynamic/instance-identity/document", Route::IdentityDocument),
            ("meta-data/iam/info", Route::IamInfo),
            // 404, after which the SDKs that try this path first use the other one.
            ("meta-data/iam/security-credentials-extended/", Route::NotFound),
            ("meta-data/", Route::NotFound),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }
}
