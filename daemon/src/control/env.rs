//! `POST /v1/env`: what a shell needs. It fetches nothing, and a signed-out profile is no error: the SDK will show
//! the refusal.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ssod_control::{EnvRequest, Environment, Paths};
use ssod_model::{CredentialSource, ProfileName};

use super::{Answer, Failure, find_profile, must_be_open};
use crate::app::Shared;

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<EnvRequest>,
) -> Answer<Environment> {
    must_be_open(&shared)?;
    let profile = match &request.profile {
        Some(name) => Some(find_profile(&shared.broker, name)?),
        None => None,
    };
    let name = profile.as_ref().map(|profile| &profile.name);
    let active = shared.broker.active();
    let region = match &profile {
        Some(profile) => profile.region.clone(),
        None => active.as_ref().and_then(|name| shared.broker.profile(name)?.region.clone()),
    };
    let mut environment = Environment {
        profile: name.map(ToString::to_string),
        region: region.map(|region| region.to_string()),
        credentials_uri: None,
        token: None,
        token_file: None,
        imds_endpoint: None,
    };
    if request.imds {
        let port = imds_port(&shared, name, active.as_ref())?;
        environment.imds_endpoint = Some(format!("http://127.0.0.1:{port}/"));
    } else {
        let text = name.map(ProfileName::as_str);
        let route = Paths::credentials_route(text);
        environment.credentials_uri = Some(format!("http://127.0.0.1:{}{route}", shared.port));
        environment.token = shared.tokens.of(name).map(|token| token.expose().to_owned());
        environment.token_file = Some(shared.token_file(name).display().to_string());
    }
    Ok(Json(environment))
}

/// The port that serves that profile by IMDS.
fn imds_port(
    shared: &Shared,
    name: Option<&ProfileName>,
    active: Option<&ProfileName>,
) -> Result<u16, Failure> {
    let refused =
        |message: String, hint: String| Failure::new(StatusCode::CONFLICT, "NoImds", message, Some(hint));
    if let Some(name) = name {
        let own = shared
            .imds_ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name.as_str())
            .map(|open| open.port);
        if let Some(port) = own {
            return Ok(port);
        }
        if active != Some(name) {
            return Err(refused(
                format!("Profile \"{name}\" is not served by IMDS."),
                format!(
                    "Make it the active one: ssod use {name}; or give it a port: [imds] profiles in config.toml"
                ),
            ));
        }
    }
    if !shared.settings().imds.enabled {
        let hint = "Set enabled = true under [imds] in config.toml".to_owned();
        return Err(refused("IMDS is switched off.".to_owned(), hint));
    }
    Ok(shared.port)
}
