//! The list of all routes. Each route has its own file.

mod audit;
mod credentials;
mod doctor;
mod env;
mod list;
mod lock;
mod login;
mod logout;
mod metrics;
mod reload;
mod status;
mod use_profile;
mod vault;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use ssod_control::{API_HEADER, API_VERSION};

use super::context::ControlContext;
use super::failure::Failure;
use super::guard::guard;

/// The maximum size of a request; a normal one has at most a few hundred bytes.
const MAX_BODY: usize = 64 * 1024;

/// Returns the router of the control API.
pub(super) fn router() -> Router<ControlContext> {
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
