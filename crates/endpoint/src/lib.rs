//! The HTTP that AWS SDKs call: container credentials and IMDSv2, behind one guard.
//!
//! [`Endpoint`] answers from a [`CredentialSource`]; [`serve`] is the connection loop with its limits, which the
//! control socket uses too.

mod container;
mod document;
mod guard;
mod imds;
mod imds_token;
mod serve;
mod tokens;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use ssod_model::{Clock, CredentialSource, ProfileName, Refusal};

pub use imds_token::ImdsTokens;
pub use serve::{Limits, serve};
pub use tokens::Tokens;

use crate::guard::Guarded;

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

/// The answers of one port.
pub struct Endpoint<S, C> {
    shared: Arc<Shared<S, C>>,
}

struct Shared<S, C> {
    source: S,
    clock: C,
    tokens: Arc<Tokens>,
    imds_tokens: ImdsTokens,
    port: Port,
    number: u16,
}

impl<S, C> Clone for Endpoint<S, C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S: CredentialSource, C: Clock> Endpoint<S, C> {
    /// The endpoint for the port of that number on 127.0.0.1.
    pub fn new(
        source: S,
        clock: C,
        tokens: Arc<Tokens>,
        imds_tokens: ImdsTokens,
        port: Port,
        number: u16,
    ) -> Self {
        Self { shared: Arc::new(Shared { source, clock, tokens, imds_tokens, port, number }) }
    }

    /// The router; every request goes through the guard before anything looks at it.
    pub fn router(self) -> Router {
        Router::new().fallback(answer::<S, C>).with_state(self)
    }
}

/// The router for connections of somebody else: every request is refused.
pub fn stranger() -> Router {
    Router::new().fallback(async || wire::refusal(&Refusal::CallerRefused("it belongs to another user")))
}

async fn answer<S: CredentialSource, C: Clock>(
    State(endpoint): State<Endpoint<S, C>>,
    request: Request<Body>,
) -> Response {
    let shared = endpoint.shared.as_ref();
    let (parts, _body) = request.into_parts();
    if let Err(reason) = guard::examine(&parts, shared.number) {
        return wire::refusal(&Refusal::CallerRefused(reason));
    }
    match (Guarded::path(&parts), &shared.port) {
        (Guarded::Credentials(name), Port::Main { .. }) => container::answer(shared, &parts, name).await,
        (Guarded::Imds(path), Port::Main { imds }) if imds.load(Ordering::Relaxed) => {
            imds::answer(shared, &parts, path, None).await
        }
        (Guarded::Imds(path), Port::Imds(profile)) => imds::answer(shared, &parts, path, Some(profile)).await,
        _ => wire::not_found(),
    }
}
