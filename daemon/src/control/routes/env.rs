//! `POST /v1/env`: the environment for a shell. It fetches nothing, and a signed-out profile is not an error, because
//! the SDK will show the refusal.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use ssod_control::{AuditAction, EnvRequest, Environment, Paths};
use ssod_endpoint::TokenOwner;
use ssod_model::{CredentialSource, ProfileName};

use crate::config::live_settings::LiveSettings;
use crate::control::auditor::Auditor;
use crate::control::context::{ControlContext, DaemonFacts};
use crate::control::failure::{Failure, RouteResult};
use crate::control::lookup::{find_profile, require_open};
use crate::listen::imds_ports::ImdsPorts;
use crate::live_broker::LiveBroker;
use crate::vault::endpoint_tokens::LiveEndpointTokens;
use crate::vault::keeper::VaultKeeper;

pub(in crate::control) async fn answer(
    State(keeper): State<VaultKeeper>,
    State(broker): State<LiveBroker>,
    State(tokens): State<LiveEndpointTokens>,
    State(imds): State<ImdsServing>,
    State(facts): State<Arc<DaemonFacts>>,
    auditor: Auditor,
    Json(request): Json<EnvRequest>,
) -> RouteResult<Environment> {
    let record = auditor.begin(AuditAction::Env).profile(request.profile.as_deref());
    let record = record.detail(request.imds.then(|| "for IMDS".to_owned()));
    record.ended(environment(&keeper, &broker, &tokens, &imds, &facts, &request).await)
}

async fn environment(
    keeper: &VaultKeeper,
    broker: &LiveBroker,
    tokens: &LiveEndpointTokens,
    imds: &ImdsServing,
    facts: &DaemonFacts,
    request: &EnvRequest,
) -> RouteResult<Environment> {
    require_open(keeper)?;
    let profile = match &request.profile {
        Some(name) => Some(find_profile(broker, name)?),
        None => None,
    };
    let name = profile.as_ref().map(|profile| &profile.name);
    let active = broker.active();
    let region = match &profile {
        Some(profile) => profile.region.clone(),
        None => active.as_ref().and_then(|name| broker.profile(name)?.region.clone()),
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
        let port = imds.port(name, active.as_ref())?;
        environment.imds_endpoint = Some(format!("http://127.0.0.1:{port}/"));
    } else {
        let owner = name.cloned().map_or(TokenOwner::Active, TokenOwner::Profile);
        let text = name.map(ProfileName::as_str);
        let route = Paths::credentials_route(text);
        environment.credentials_uri = Some(format!("http://127.0.0.1:{}{route}", facts.port));
        keeper.provide_token_file(&owner).await.map_err(|error| Failure::broken(&error))?;
        environment.token = tokens.in_force().of(&owner).map(|token| token.expose().to_owned());
        environment.token_file = Some(tokens.file(&owner).display().to_string());
    }
    Ok(Json(environment))
}

/// Finds the port that serves IMDS for a profile.
#[derive(Clone)]
pub(in crate::control) struct ImdsServing {
    ports: ImdsPorts,
    settings: LiveSettings,
    facts: Arc<DaemonFacts>,
}

impl FromRef<ControlContext> for ImdsServing {
    fn from_ref(context: &ControlContext) -> Self {
        let ControlContext { imds_ports, settings, facts, .. } = context;
        Self { ports: imds_ports.clone(), settings: settings.clone(), facts: facts.clone() }
    }
}

impl ImdsServing {
    /// Returns the port that serves that profile, or the active one.
    fn port(&self, name: Option<&ProfileName>, active: Option<&ProfileName>) -> Result<u16, Failure> {
        let refused =
            |message: String, hint: String| Failure::new(StatusCode::CONFLICT, "NoImds", message, Some(hint));
        if let Some(name) = name {
            if let Some(port) = self.ports.port_of(name) {
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
        if !self.settings.current().imds.enabled {
            let hint = "Set enabled = true under [imds] in config.toml".to_owned();
            return Err(refused("IMDS is switched off.".to_owned(), hint));
        }
        Ok(self.facts.port)
    }
}
