//! IMDSv2, as far as SDKs ask it for credentials and a region.
//!
//! Never a GET without a live token: SDKs that were refused a token fall back to IMDSv1, which ssod does not speak.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::json;
use ssod_model::{Cached, CredentialSource, Floor, Profile, ProfileName, Refusal};

use crate::imds_token::MAX_TTL;
use crate::{Answer, Surroundings, wire};

/// Go waits half a second for the first byte.
const PATIENCE: Duration = Duration::from_millis(350);
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// What a path below `/latest/` means.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Roles,
    Role(&'a str),
    AvailabilityZone,
    Region,
    IdentityDocument,
    IamInfo,
    Nothing,
}

/// With or without a slash at the end: SDKs differ.
fn route(path: &str) -> Route<'_> {
    let path = path.trim_end_matches('/');
    match path {
        "meta-data/iam/security-credentials" => Route::Roles,
        "meta-data/placement/availability-zone" => Route::AvailabilityZone,
        "meta-data/placement/region" => Route::Region,
        "dynamic/instance-identity/document" => Route::IdentityDocument,
        "meta-data/iam/info" => Route::IamInfo,
        _ => path.strip_prefix("meta-data/iam/security-credentials/").map_or(Route::Nothing, Route::Role),
    }
}

/// What IMDS has at that path, for the pinned profile or the active one; the guard has seen the token.
pub(crate) async fn answer<S: CredentialSource>(
    source: &S,
    path: &str,
    pinned: Option<&ProfileName>,
) -> Answer {
    let route = route(path);
    let name = pinned.cloned().or_else(|| source.active());
    let Some(profile) = name.and_then(|name| source.profile(&name)) else {
        return match route {
            Route::Role(_) => Answer::forbidden(&Refusal::NoActiveProfile),
            _ => Answer::plain(wire::not_found()),
        };
    };
    Answer::plain(match route {
        Route::Role(role) => return document(source, &profile, role).await,
        Route::Roles => roles(source, &profile),
        Route::AvailabilityZone => region(&profile, |region| wire::text(format!("{region}a"))),
        Route::Region => region(&profile, wire::text),
        Route::IdentityDocument => region(&profile, |region| {
            let document = json!({ "region": region, "accountId": profile.account_id.as_str(), "version": "2017-09-30" });
            wire::json_answer(StatusCode::OK, &document)
        }),
        Route::IamInfo => {
            let arn = format!("arn:aws:iam::{}:instance-profile/{}", profile.account_id, profile.role_name);
            wire::json_answer(StatusCode::OK, &json!({ "Code": "Success", "InstanceProfileArn": arn }))
        }
        Route::Nothing => wire::not_found(),
    })
}

/// The time to live must come, and goes back in the answer: Go fails without it.
pub(crate) fn token<S>(around: &Surroundings<S>, port: u16, headers: &HeaderMap) -> Answer {
    let asked =
        headers.get(TTL_HEADER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let Some(ttl) = asked.filter(|ttl| (1..=MAX_TTL).contains(ttl)) else {
        return Answer::failed(
            StatusCode::BAD_REQUEST.into_response(),
            "no time to live between 1 and 21600",
        );
    };
    let token = around.imds_tokens.issue(around.clock.now(), port, ttl);
    let mut response = wire::text(token);
    response.headers_mut().insert(TTL_HEADER, HeaderValue::from(ttl));
    Answer::plain(response)
}

/// The one role, or 404 where nothing could be served under it.
fn roles<S: CredentialSource>(source: &S, profile: &Profile) -> Response {
    match source.cached(&profile.name, Floor::IMDS) {
        Cached::Refused(Refusal::Unavailable { .. }) | Cached::Ready(_) | Cached::Fetch => {
            wire::text(profile.role_name.as_str())
        }
        Cached::Refused(_) => wire::not_found(),
    }
}

async fn document<S: CredentialSource>(source: &S, profile: &Profile, role: &str) -> Answer {
    // The active profile may have changed since the client listed the role: never another role's credentials.
    if percent_decode_str(role).decode_utf8_lossy() != profile.role_name.as_str() {
        return Answer::plain(wire::not_found());
    }
    let name = profile.name.clone();
    match source.fetch_within(&name, Floor::IMDS, PATIENCE).await {
        Ok(credentials) => Answer::served(name, wire::imds(&credentials, profile)),
        Err(refusal) => Answer::refused(Some(name), &refusal),
    }
}

fn region(profile: &Profile, answer: impl FnOnce(String) -> Response) -> Response {
    profile.region.as_ref().map_or_else(wire::not_found, |region| answer(region.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_every_sdk_are_known() {
        for (path, meant) in [
            ("meta-data/iam/security-credentials/", Route::Roles),
            ("meta-data/iam/security-credentials", Route::Roles),
            ("meta-data/iam/security-credentials/Admin+Role", Route::Role("Admin+Role")),
            ("meta-data/placement/availability-zone/", Route::AvailabilityZone),
            ("meta-data/placement/region", Route::Region),
            ("dynamic/instance-identity/document", Route::IdentityDocument),
            ("meta-data/iam/info", Route::IamInfo),
            // 404, on which the SDKs that try it first fall back.
            ("meta-data/iam/security-credentials-extended/", Route::Nothing),
            ("meta-data/", Route::Nothing),
        ] {
            assert_eq!(route(path), meant, "{path}");
        }
    }
}
