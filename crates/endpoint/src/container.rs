//! `GET /credentials/PROFILE` and `GET /credentials`: the container-credentials protocol.

use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use ssod_model::{Clock, CredentialSource, Floor, ProfileName, Refusal};

use crate::document::credentials;
use crate::{Shared, wire};

/// JavaScript gives up after a second.
const PATIENCE: Duration = Duration::from_millis(800);

pub(crate) async fn answer<S: CredentialSource, C: Clock>(
    shared: &Shared<S, C>,
    parts: &Parts,
    name: Option<&str>,
) -> Response {
    if parts.method != Method::GET {
        return wire::method_not_allowed();
    }
    match grant(shared, parts, name).await {
        Ok(response) => response,
        Err(refusal) => wire::refusal(&refusal),
    }
}

async fn grant<S: CredentialSource, C: Clock>(
    shared: &Shared<S, C>,
    parts: &Parts,
    name: Option<&str>,
) -> Result<Response, Refusal> {
    let named = name.map(profile_name).transpose()?;
    let given =
        parts.headers.get(header::AUTHORIZATION).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    if !shared.tokens.matches(named.as_ref(), given) {
        return Err(match named {
            Some(named) if shared.source.profile(&named).is_none() => {
                Refusal::ProfileNotFound(named.to_string())
            }
            Some(named) => Refusal::InvalidToken(named.to_string()),
            None => Refusal::InvalidToken(String::new()),
        });
    }
    let profile = named.or_else(|| shared.source.active()).ok_or(Refusal::NoActiveProfile)?;
    let config =
        shared.source.profile(&profile).ok_or_else(|| Refusal::ProfileNotFound(profile.to_string()))?;
    let credentials = credentials(&shared.source, &profile, Floor::CONTAINER, PATIENCE).await?;
    Ok(wire::container(&credentials, &config))
}

fn profile_name(encoded: &str) -> Result<ProfileName, Refusal> {
    let name = percent_decode_str(encoded).decode_utf8_lossy();
    ProfileName::parse(&name).map_err(|_| {
        Refusal::ProfileNotFound(name.chars().filter(|character| !character.is_control()).take(64).collect())
    })
}
