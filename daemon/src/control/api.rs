//! Lists every route, and serves them to this user's clients only.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use ssod_control::{API_HEADER, API_VERSION, AuditVia};
use ssod_endpoint::{Admission, Capacity, Outcome, Timeouts, serve as serve_connections};
use tokio::net::{UnixListener, UnixStream};

use super::context::Context;
use super::failure::Failure;
use super::guard::guard;
use super::routes::{
    audit, credentials, doctor, env, list, lock, login, logout, metrics, reload, status, use_profile, vault,
};

/// Every message has less than a few hundred bytes.
const MAX_BODY: usize = 64 * 1024;

/// Answers this user's clients until the stop.
pub(crate) async fn serve(
    context: Context,
    listener: UnixListener,
    capacity: Capacity,
    stop: impl Future<Output = ()> + Send,
) {
    let (audit, clock) = (context.audit.clone(), context.clock.clone());
    let routes = routes().with_state(context);
    let admit = move |connection: &UnixStream, _: &tokio::net::unix::SocketAddr| {
        let Ok(peer) = ssod_peer::unix_peer(connection) else { return Admission::Closed };
        // The socket's mode keeps other users out already; this check does not depend on it.
        if peer.uid != ssod_peer::own_uid() {
            tracing::warn!(uid = peer.uid, "another user's control connection is refused");
            let reason = "CallerRefused: it belongs to another user".to_owned();
            let outcome = Outcome::Refused { reason };
            audit.note_control(clock.now(), AuditVia::Control, &peer, None, None, outcome);
            return Admission::Closed;
        }
        Admission::Own(routes.clone().layer(axum::Extension(peer)))
    };
    serve_connections(listener, capacity, Timeouts::default(), admit, stop).await;
}

fn routes() -> Router<Context> {
    Router::new()
        .route("/v1/status", get(status::answer))
        .route("/v1/daemon", get(status::daemon))
        .route("/v1/metrics", get(metrics::answer))
        .route("/v1/doctor", get(doctor::answer))
        .route("/v1/login", post(login::answer))
        .route("/v1/logout", post(logout::answer))
        .route("/v1/use", post(use_profile::answer))
        .route("/v1/env", post(env::answer))
        .route("/v1/credentials", post(credentials::answer))
        .route("/v1/check", post(credentials::check))
        .route("/v1/list", post(list::answer))
        .route("/v1/reload", post(reload::answer))
        .route("/v1/audit/write", post(audit::flush))
        .route("/v1/lock", post(lock::lock))
        .route("/v1/unlock", post(lock::unlock))
        .route("/v1/vault/rekey", post(vault::rekey))
        .fallback(async || {
            Failure::not_found("There is no such route; the client may be newer than the daemon.")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn(guard))
        .layer(axum::middleware::map_response(async |mut response: Response| {
            response
                .headers_mut()
                .insert(HeaderName::from_static(API_HEADER), HeaderValue::from(API_VERSION));
            response
        }))
}
