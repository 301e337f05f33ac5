//! The HTTP that AWS SDKs call: container credentials and IMDSv2, behind one guard.
//!
//! [`Endpoint`] answers from a [`CredentialSource`]; [`serve`] is the connection loop with its limits, which the
//! control socket uses too.

mod audit;
mod container;
mod guard;
mod imds;
mod imds_token;
mod serve;
mod tokens;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Extension, Router};
use ssod_clock::Clock;
use ssod_model::{CredentialSource, ProfileName, Refusal};

pub use audit::{Access, Audit, Caller, SharedAudit, Way};
pub use imds_token::ImdsTokens;
pub use serve::{Admission, Capacity, Limits, serve};
pub use tokens::Tokens;

use crate::guard::{Allowed, Denied, Facts};

/// What one port is for.
#[derive(Clone, Debug)]
pub enum Port {
    /// Container credentials for all, and IMDS for the active profile where it is enabled.
    Main {
        /// Whether IMDS is served at present.
        imds: Arc<AtomicBool>,
    },
    /// IMDS for one profile.
    Imds(ProfileName),
}

/// What all ports share.
#[derive(Clone)]
pub struct Surroundings<S> {
    /// Who has the credentials.
    pub source: S,
    /// The wall clock.
    pub clock: Clock,
    /// The container endpoint's tokens.
    pub tokens: Arc<Tokens>,
    /// IMDSv2's.
    pub imds_tokens: ImdsTokens,
    /// Who takes notes.
    pub audit: SharedAudit,
    /// The one user that is served.
    pub own_uid: u32,
}

/// The answers of one port.
pub struct Endpoint<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    around: Surroundings<S>,
    port: Port,
    number: u16,
}

impl<S> Clone for Endpoint<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

/// What a request came to: the answer, and what is worth a note about it.
struct Answer {
    response: Response,
    profile: Option<ProfileName>,
    /// Why it is not what was asked for.
    refused: Option<String>,
    /// Whether credentials were asked for: a token or a region is worth no line when all is well.
    noted: bool,
}

impl<S: CredentialSource> Endpoint<S> {
    /// The endpoint for the port of that number on 127.0.0.1.
    pub fn new(around: Surroundings<S>, port: Port, number: u16) -> Self {
        Self { shared: Arc::new(Shared { around, port, number }) }
    }

    /// The router for one connection; every request goes through the guard before anything looks at it.
    pub fn router(&self, caller: Caller) -> Router {
        Router::new().fallback(answer::<S>).layer(Extension(caller)).with_state(self.clone())
    }
}

async fn answer<S: CredentialSource>(
    State(endpoint): State<Endpoint<S>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Response {
    let (parts, _body) = request.into_parts();
    let shared = endpoint.shared.as_ref();
    let answer = shared.answer(&parts, caller).await;
    if answer.noted || answer.refused.is_some() {
        let way = if shared.is_imds(&parts) { Way::Imds } else { Way::Container };
        let (at, profile, refused) = (shared.around.clock.now(), answer.profile, answer.refused);
        shared.around.audit.note(Access { at, caller, way, profile, refused });
    }
    answer.response
}

impl<S: CredentialSource> Shared<S> {
    async fn answer(&self, parts: &axum::http::request::Parts, caller: Caller) -> Answer {
        let around = &self.around;
        let facts = Facts {
            uid: caller.uid,
            own_uid: around.own_uid,
            port: self.number,
            has_credentials: matches!(self.port, Port::Main { .. }),
            has_imds: match &self.port {
                Port::Main { imds } => imds.load(Ordering::Relaxed),
                Port::Imds(_) => true,
            },
            closed: around.source.closed(),
            now: around.clock.now(),
            tokens: &around.tokens,
            imds_tokens: &around.imds_tokens,
        };
        let pinned = match &self.port {
            Port::Main { .. } => None,
            Port::Imds(profile) => Some(profile),
        };
        match guard::examine(parts, &facts) {
            Ok(Allowed::Credentials(profile)) => container::answer(&around.source, profile).await,
            Ok(Allowed::ImdsToken) => imds::token(around, self.number, &parts.headers),
            Ok(Allowed::Imds(path)) => imds::answer(&around.source, path, pinned).await,
            Err(Denied::Refused(refusal)) => {
                let refusal = self.in_their_words(refusal);
                Answer::refused(guard::asked_for(parts), &refusal)
            }
            Err(Denied::NoImdsToken) => Answer::failed(wire::unauthorized(), "no live IMDSv2 token"),
            Err(Denied::NotFound) => Answer::failed(wire::not_found(), "there is nothing at that path"),
            Err(Denied::Method) => Answer::failed(wire::method_not_allowed(), "wrong method"),
        }
    }

    /// A wrong token for a profile that does not exist is most likely a misspelled name.
    fn in_their_words(&self, refusal: Refusal) -> Refusal {
        match &refusal {
            Refusal::InvalidToken(name) if !name.is_empty() => {
                let known = ProfileName::parse(name).ok().and_then(|name| self.around.source.profile(&name));
                if known.is_some() { refusal } else { Refusal::ProfileNotFound(name.clone()) }
            }
            _ => refusal,
        }
    }

    fn is_imds(&self, parts: &axum::http::request::Parts) -> bool {
        matches!(self.port, Port::Imds(_)) || parts.uri.path().trim_start_matches('/').starts_with("latest")
    }
}

impl Answer {
    /// Credentials.
    fn served(profile: ProfileName, response: Response) -> Self {
        Self { response, profile: Some(profile), refused: None, noted: true }
    }

    /// Anything else that was asked for.
    fn plain(response: Response) -> Self {
        Self { response, profile: None, refused: None, noted: false }
    }

    /// A refusal in AWS's form.
    fn refused(profile: Option<ProfileName>, refusal: &Refusal) -> Self {
        let why = format!("{}: {}", refusal.code(), refusal.reason());
        Self { response: wire::refusal(refusal), profile, refused: Some(why), noted: true }
    }

    /// A refusal as IMDS has it: a document that cannot be had is forbidden, whatever keeps it.
    fn forbidden(refusal: &Refusal) -> Self {
        let mut answer = Self::refused(None, refusal);
        *answer.response.status_mut() = axum::http::StatusCode::FORBIDDEN;
        answer
    }

    /// A refusal by status alone.
    fn failed(response: Response, why: &str) -> Self {
        Self { response, profile: None, refused: Some(why.to_owned()), noted: true }
    }
}
