//! The requests of one port: the guard decides, then a protocol answers, then the audit log records the outcome.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use ssod_clock::Clock;
use ssod_connections::{CallerProof, Handler};
use ssod_model::{CredentialSource, ProfileName, Refusal, Timestamp};

use crate::audit::{Access, Caller, Grant, Outcome, Protocol, Repeats, SharedAudit};
use crate::audited_response::AuditedResponse;
use crate::guard::{self, Allowed, Denied, Facts, GuardDecision};
use crate::imds_token::ImdsTokens;
use crate::tokens::Tokens;
use crate::wire::{self, Answer, AnswerBody};
use crate::{container, imds};

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

    /// Returns what answers the requests of one connection. Every request passes the guard first.
    pub fn connection(&self, caller: Caller) -> EndpointConnection<S> {
        EndpointConnection {
            port: self.0.clone(),
            caller,
            was_recorded: AtomicBool::new(false),
            repeats: OnceLock::new(),
        }
    }
}

/// Answers the requests of one connection.
pub struct EndpointConnection<S> {
    port: Arc<PortService<S>>,
    caller: Caller,
    /// Whether an earlier request was recorded.
    was_recorded: AtomicBool,
    /// Counts what the caller gets again after its first grant, which is what nearly every request is.
    repeats: OnceLock<RepeatedGrant>,
}

/// The first grant of a connection, and the counter of those that are the same.
struct RepeatedGrant {
    protocol: Protocol,
    profile: ProfileName,
    counter: Box<dyn Repeats>,
}

impl<S: CredentialSource> Handler for EndpointConnection<S> {
    type Body = AnswerBody;

    fn empty_body() -> AnswerBody {
        wire::body(Bytes::new())
    }

    async fn answer(&self, request: Request<Bytes>, proof: &CallerProof) -> Answer {
        let (parts, _body) = request.into_parts();
        let now = self.port.services.clock.now();
        let decision = guard::decide(&parts, &self.port.facts(self.caller, now));
        // IMDS has no token that only this user's programs know, so its callers never get more than the small share.
        if let Ok(Allowed::Credentials(_)) = &decision.access {
            proof.confirm();
        }
        let protocol = decision.protocol;
        let AuditedResponse { response, profile, outcome } = self.port.answer(&parts, decision, now).await;
        if let Some(outcome) = outcome {
            self.record(now, protocol, profile, outcome).await;
        }
        response
    }
}

impl<S> EndpointConnection<S> {
    /// Records the outcome of a request. A grant that repeats the connection's first one is only counted: a note for
    /// each would wake the thread that writes the log, which was 0.6 context switches a request.
    async fn record(
        &self,
        at: Timestamp,
        protocol: Protocol,
        profile: Option<ProfileName>,
        outcome: Outcome,
    ) {
        let granted = profile.as_ref().filter(|_| outcome == Outcome::Served);
        if let (Some(granted), Some(first)) = (granted, self.repeats.get())
            && (first.protocol, &first.profile) == (protocol, granted)
        {
            return first.counter.count(at);
        }
        let Services { audit, .. } = &self.port.services;
        if let Some(profile) = granted.filter(|_| self.repeats.get().is_none()) {
            let (caller, profile) = (self.caller, profile.clone());
            let counter = audit.repeats(Grant { caller, protocol, profile: profile.clone() });
            // Another request of the same connection may have been first.
            let _ = self.repeats.set(RepeatedGrant { protocol, profile, counter });
        }
        let is_first = !self.was_recorded.swap(true, Ordering::Relaxed);
        let access = Access { at, caller: self.caller, protocol, profile, outcome, is_first };
        audit.note(access).wait().await;
    }
}

impl<S: CredentialSource> PortService<S> {
    fn facts(&self, caller: Caller, now: Timestamp) -> Facts<'_> {
        let Services { source, tokens, imds_tokens, own_uid, .. } = &self.services;
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
            now,
            tokens,
            imds_tokens,
        }
    }

    async fn answer(&self, parts: &Parts, decision: GuardDecision<'_>, now: Timestamp) -> AuditedResponse {
        let Services { source, imds_tokens, .. } = &self.services;
        let pinned = match &self.port {
            Port::Main { .. } => None,
            Port::Imds(profile) => Some(profile),
        };
        match decision.access {
            Ok(Allowed::Credentials(owner)) => container::answer(source, owner).await,
            Ok(Allowed::ImdsToken) => imds::token(imds_tokens, now, self.number, &parts.headers),
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
