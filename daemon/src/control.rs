//! The control API: one file for each route, all listed here.

mod configure;
mod credentials;
mod env;
mod failure;
mod list;
mod login;
mod logout;
mod status;
mod use_profile;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use ssod_control::{API_HEADER, API_VERSION};
use ssod_endpoint::{Limits, serve as serve_connections};
use ssod_model::{CredentialSource, Profile, ProfileName, SessionName, Timer};
use ssod_peer::Peer;
use tokio::net::{UnixListener, UnixStream};

use crate::app::{LiveBroker, Shared};
use failure::Failure;

/// No message is larger than a few hundred bytes.
const BODY_CAP: usize = 64 * 1024;
/// One person's commands; the endpoint's connections have their own share.
const CONNECTIONS: usize = 256;

/// What every route's answer is.
type Answer<T> = Result<axum::Json<T>, Failure>;

/// Answers this user's clients until the stop.
pub(crate) async fn serve<C: Timer + Clone>(shared: Arc<Shared<C>>, listener: UnixListener) {
    let stop = shared.stopped();
    let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
    let routes = routes().with_state(shared);
    let admit = move |connection: &UnixStream, _: &tokio::net::unix::SocketAddr| {
        let peer = ssod_peer::unix_peer(connection).ok()?;
        // The socket's mode lets nobody else in; this is the second wall.
        if peer.uid != ssod_peer::own_uid() {
            tracing::warn!(uid = peer.uid, "another user's control connection is refused");
            return None;
        }
        Some(routes.clone().layer(axum::Extension(peer)))
    };
    serve_connections(listener, limits, admit, stop).await;
}

fn routes<C: Timer + Clone>() -> Router<Arc<Shared<C>>> {
    Router::new()
        .route("/v1/status", get(status::answer))
        .route("/v1/daemon", get(status::daemon_alone))
        .route("/v1/login", post(login::answer))
        .route("/v1/logout", post(logout::answer))
        .route("/v1/use", post(use_profile::answer))
        .route("/v1/env", post(env::answer))
        .route("/v1/credentials", post(credentials::answer))
        .route("/v1/check", post(credentials::check))
        .route("/v1/list", post(list::answer))
        .route("/v1/reload", post(configure::reload))
        .fallback(async || {
            Failure::not_found("There is no such route; the client may be newer than the daemon.")
        })
        .layer(DefaultBodyLimit::max(BODY_CAP))
        .layer(axum::middleware::map_response(async |mut response: Response| {
            response
                .headers_mut()
                .insert(HeaderName::from_static(API_HEADER), HeaderValue::from(API_VERSION));
            response
        }))
}

/// A profile, and nothing else.
fn find_profile<C: Timer>(broker: &LiveBroker<C>, name: &str) -> Result<Arc<Profile>, Failure> {
    if let Some(profile) = ProfileName::parse(name).ok().and_then(|name| broker.profile(&name)) {
        return Ok(profile);
    }
    let session = SessionName::parse(name).ok().filter(|name| broker.session(name).is_some());
    let Some(session) = session else { return Err(Failure::unknown(name)) };
    let all = broker.profile_names().into_iter().filter_map(|name| broker.profile(&name));
    let its: Vec<String> =
        all.filter(|profile| profile.session == session).map(|profile| profile.name.to_string()).collect();
    Err(Failure::needs_profile(name, &its))
}

/// NAME is a profile first, a session second.
fn find<C: Timer>(broker: &LiveBroker<C>, name: &str) -> Result<(SessionName, Option<ProfileName>), Failure> {
    let profile = ProfileName::parse(name).ok().and_then(|name| broker.profile(&name));
    if let Some(profile) = profile {
        return Ok((profile.session.clone(), Some(profile.name.clone())));
    }
    // One that is no longer in the file can still be signed out of.
    let session = SessionName::parse(name).ok().filter(|name| broker.known_sessions().contains(name));
    session.map(|session| (session, None)).ok_or_else(|| Failure::unknown(name))
}

/// The program on whose behalf a client calls: the one that started it.
fn caller(peer: Peer) -> Option<String> {
    ssod_peer::program_of(ssod_peer::parent_of(peer.pid)?)
}
