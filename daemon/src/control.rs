//! The control API: one file for each route, all listed here.

mod audit;
mod configure;
mod credentials;
mod doctor;
mod env;
mod failure;
mod list;
mod lock;
mod login;
mod logout;
mod metrics;
mod status;
mod use_profile;
mod vault;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ssod_control::{API_HEADER, API_VERSION};
use ssod_endpoint::{Admission, Limits, serve as serve_connections};
use ssod_model::{CredentialSource, Profile, ProfileName, Program, SessionName};
use ssod_peer::UnixPeer;
use tokio::net::{UnixListener, UnixStream};

use crate::app::{LiveBroker, Shared};
use failure::Failure;
pub(crate) use failure::sentence;

/// No message is larger than a few hundred bytes.
const BODY_CAP: usize = 64 * 1024;

/// What every route's answer is.
type Answer<T> = Result<axum::Json<T>, Failure>;

/// Answers this user's clients until the stop.
pub(crate) async fn serve(shared: Arc<Shared>, listener: UnixListener) {
    let stop = shared.stopped();
    let (capacity, limits) = (shared.capacities.control.clone(), Limits::default());
    let routes = routes().with_state(shared.clone());
    let admit = move |connection: &UnixStream, _: &tokio::net::unix::SocketAddr| {
        let Ok(peer) = ssod_peer::unix_peer(connection) else { return Admission::Closed };
        // The socket's mode lets nobody else in; this is the second wall.
        if peer.uid != ssod_peer::own_uid() {
            tracing::warn!(uid = peer.uid, "another user's control connection is refused");
            let why = Some("CallerRefused: it belongs to another user".to_owned());
            shared.audit.note_control(shared.clock.now(), "control", &peer, None, None, why);
            return Admission::Closed;
        }
        Admission::Own(routes.clone().layer(axum::Extension(peer)))
    };
    serve_connections(listener, capacity, limits, admit, stop).await;
}

fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/status", get(status::answer))
        .route("/v1/daemon", get(status::daemon_alone))
        .route("/v1/metrics", get(metrics::answer))
        .route("/v1/doctor", get(doctor::answer))
        .route("/v1/login", post(login::answer))
        .route("/v1/logout", post(logout::answer))
        .route("/v1/use", post(use_profile::answer))
        .route("/v1/env", post(env::answer))
        .route("/v1/credentials", post(credentials::answer))
        .route("/v1/check", post(credentials::check))
        .route("/v1/list", post(list::answer))
        .route("/v1/reload", post(configure::reload))
        .route("/v1/audit/write", post(audit::write))
        .route("/v1/lock", post(lock::lock))
        .route("/v1/unlock", post(lock::unlock))
        .route("/v1/vault/rekey", post(vault::rekey))
        .fallback(async || {
            Failure::not_found("There is no such route; the client may be newer than the daemon.")
        })
        .layer(DefaultBodyLimit::max(BODY_CAP))
        .layer(axum::middleware::from_fn(guard))
        .layer(axum::middleware::map_response(async |mut response: Response| {
            response
                .headers_mut()
                .insert(HeaderName::from_static(API_HEADER), HeaderValue::from(API_VERSION));
            response
        }))
}

/// Only clients of ssod speak here: they name the version that they speak, which no page in a browser can, whatever might
/// forward its requests to a socket.
async fn guard(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let refused = |code: &str, message: &str, hint: Option<&str>| {
        Failure::new(StatusCode::BAD_REQUEST, code, message, hint.map(str::to_owned)).into_response()
    };
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return refused("CallerRefused", "The control socket does not answer web browsers.", None);
    }
    let version = headers.get(API_HEADER).and_then(|value| value.to_str().ok()).map(str::parse::<u32>);
    match version {
        Some(Ok(API_VERSION)) => next.run(request).await,
        Some(Ok(_)) => refused(
            "OtherVersion",
            "This ssod and the daemon that runs are of different versions.",
            Some("Install both anew, end the daemon, and try again"),
        ),
        _ => refused("CallerRefused", &format!("The header {API_HEADER} with the version is missing."), None),
    }
}

/// Fails while the vault is locked: nothing is known then about who is signed in.
fn must_be_open(shared: &Shared) -> Result<(), Failure> {
    if shared.keeper.is_open() { Ok(()) } else { Err(Failure::closed(shared.keeper.status())) }
}

/// A profile, and nothing else.
fn find_profile(broker: &LiveBroker, name: &str) -> Result<Arc<Profile>, Failure> {
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
fn find(broker: &LiveBroker, name: &str) -> Result<(SessionName, Option<ProfileName>), Failure> {
    let profile = ProfileName::parse(name).ok().and_then(|name| broker.profile(&name));
    if let Some(profile) = profile {
        return Ok((profile.session.clone(), Some(profile.name.clone())));
    }
    // One that is no longer in the file can still be signed out of.
    let session = SessionName::parse(name).ok().filter(|name| broker.known_sessions().contains(name));
    session.map(|session| (session, None)).ok_or_else(|| Failure::unknown(name))
}

/// The program on whose behalf a client calls: the one that started it.
fn caller(peer: &UnixPeer) -> Option<Program> {
    peer.process.parent()?.program()
}
