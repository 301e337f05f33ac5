//! The requests of one port: the guard decides, then a protocol answers, then the audit log records the outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::{Extension, Router};
use ssod_clock::Clock;
use ssod_connections::CallerProof;
use ssod_model::{CredentialSource, ProfileName, Refusal};

use crate::audit::{Access, Caller, SharedAudit};
use crate::audited_response::AuditedResponse;
use crate::guard::{self, Allowed, Denied, Facts, GuardDecision};
use crate::imds_token::ImdsTokens;
use crate::tokens::Tokens;
use crate::{container, imds, wire};

/// What a port serves.
#[derive(Clone, Debug)]
pub enum Port {
    /// Container credentials of all profiles and, if enabled, IMDS for the active profile.
    Main {
        /// Whether IMDS is enabled now.
        imds: Arc<AtomicBool>,
    },
    /// IMDS for one profile.
    Imds(ProfileName),
}

/// What all ports share.
#[derive(Clone)]
pub struct Services<S> {
    /// Where the credentials come from.
    pub source: S,
    /// The time.
    pub clock: Clock,
    /// The container endpoint's tokens.
    pub tokens: Arc<Tokens>,
    /// IMDSv2's tokens.
    pub imds_tokens: ImdsTokens,
    /// The audit log.
    pub audit: SharedAudit,
    /// The user whom the endpoint serves.
    pub own_uid: u32,
}

/// Answers the requests of one port. Clones share the same state.
pub struct Endpoint<S>(Arc<PortService<S>>);

struct PortService<S> {
    services: Services<S>,
    port: Port,
    number: u16,
}

impl<S> Clone for Endpoint<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: CredentialSource> Endpoint<S> {
    /// Returns the endpoint for the port with that number on 127.0.0.1.
    pub fn new(services: Services<S>, port: Port, number: u16) -> Self {
        Self(Arc::new(PortService { services, port, number }))
    }

    /// Returns the router for one connection. Every request passes the guard first.
    pub fn router(&self, caller: Caller) -> Router {
        let connection = Connection { caller, was_recorded: Arc::default() };
        Router::new().fallback(respond::<S>).layer(Extension(connection)).with_state(self.clone())
    }
}

/// The connection of a request.
#[derive(Clone)]
struct Connection {
    caller: Caller,
    /// Whether an earlier request of the connection was recorded.
    was_recorded: Arc<AtomicBool>,
}

async fn respond<S: CredentialSource>(
    State(Endpoint(service)): State<Endpoint<S>>,
    Extension(Connection { caller, was_recorded }): Extension<Connection>,
    request: Request<Body>,
) -> Response {
    let (parts, _body) = request.into_parts();
    let decision = guard::decide(&parts, &service.facts(caller));
    // IMDS has no token that only this user's programs know, so its callers never get more than the small share.
    if let (Ok(Allowed::Credentials(_)), Some(proof)) =
        (&decision.access, parts.extensions.get::<CallerProof>())
    {
        proof.confirm();
    }
    let protocol = decision.protocol;
    let AuditedResponse { response, profile, outcome } = service.answer(&parts, decision).await;
    if let Some(outcome) = outcome {
        let Services { clock, audit, .. } = &service.services;
        let is_first = !was_recorded.swap(true, Ordering::Relaxed);
        let access = Access { at: clock.now(), caller, protocol, profile, outcome, is_first };
        audit.note(access).wait().await;
    }
    response
}

impl<S: CredentialSource> PortService<S> {
    fn facts(&self, caller: Caller) -> Facts<'_> {
        let Services { source, clock, tokens, imds_tokens, own_uid, .. } = &self.services;
        Facts {
            uid: caller.uid,
            own_uid: *own_uid,
            port: self.number,
            serves_credentials: matches!(self.port, Port::Main { .. }),
            serves_imds: match &self.port {
                Port::Main { imds } => imds.load(Ordering::Relaxed),
                Port::Imds(_) => true,
            },
            closed: source.closed(),
            now: clock.now(),
            tokens,
            imds_tokens,
        }
    }

    async fn answer(&self, parts: &Parts, decision: GuardDecision<'_>) -> AuditedResponse {
        let Services { source, clock, imds_tokens, .. } = &self.services;
        let pinned = match &self.port {
            Port::Main { .. } => None,
            Port::Imds(profile) => Some(profile),
        };
        match decision.access {
            Ok(Allowed::Credentials(owner)) => container::answer(source, owner).await,
            Ok(Allowed::ImdsToken) => imds::token(imds_tokens, clock.now(), self.number, &parts.headers),
            Ok(Allowed::Imds(path)) => imds::answer(source, path, pinned).await,
            Err(Denied::Refused(refusal)) => {
                AuditedResponse::refused(decision.profile, &self.explain_misspelled_profile(refusal))
            }
            Err(Denied::NoImdsToken) => AuditedResponse::failed(wire::unauthorized(), "no live IMDSv2 token"),
            Err(Denied::NotFound) => {
                AuditedResponse::failed(wire::not_found(), "there is nothing at that path")
            }
            Err(Denied::MethodNotAllowed) => {
                AuditedResponse::failed(wire::method_not_allowed(), "wrong method")
            }
        }
    }

    /// Turns the refusal of a wrong token into "no such profile" if there is no profile of that name, because the name
    /// is then probably misspelled.
    fn explain_misspelled_profile(&self, refusal: Refusal) -> Refusal {
        match &refusal {
            Refusal::InvalidToken(name) if !name.is_empty() => {
                let source = &self.services.source;
                let known = ProfileName::parse(name).ok().and_then(|name| source.profile(&name));
                if known.is_some() { refusal } else { Refusal::ProfileNotFound(name.clone()) }
            }
            _ => refusal,
        }
    }
}
