//! The routes for tests, below `/fake`.

use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, response::IntoResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use super::server::Server;
use crate::{Assignment, Fault};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// A negative value sets the clock back.
    advance_ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndSession {
    /// The user whose sessions end; by default, the sessions of all users end.
    user: Option<String>,
}

pub(super) fn routes() -> Router<Server> {
    Router::new()
        .route("/aws-config", get(aws_config))
        .route("/log", get(log))
        .route("/clock", post(clock))
        .route("/end-session", post(end_session))
        .route("/forget-registrations", post(forget_registrations))
        .route("/remove-assignment", post(remove_assignment))
        .route("/add-assignment", post(add_assignment))
        .route("/fault", post(add_fault).delete(clear_faults))
}

async fn aws_config(State(server): State<Server>) -> String {
    let start_url = format!("{}/start", server.base_url());
    server.center().world().aws_config(&start_url)
}

async fn log(State(server): State<Server>) -> Json<Value> {
    let center = server.center();
    Json(json!(center.log().collect::<Vec<_>>()))
}

async fn clock(State(server): State<Server>, Json(body): Json<Advance>) -> Json<Value> {
    server.advance(body.advance_ms);
    Json(json!({ "now_ms": server.now().as_millisecond() }))
}

async fn end_session(State(server): State<Server>, Json(body): Json<EndSession>) -> StatusCode {
    server.center().end_sessions(body.user.as_deref());
    StatusCode::NO_CONTENT
}

async fn forget_registrations(State(server): State<Server>) -> StatusCode {
    server.center().forget_registrations();
    StatusCode::NO_CONTENT
}

async fn remove_assignment(State(server): State<Server>, Json(body): Json<Assignment>) -> impl IntoResponse {
    if server.center().remove_assignment(&body.user, &body.account, &body.role) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn add_assignment(State(server): State<Server>, Json(body): Json<Assignment>) -> StatusCode {
    server.center().add_assignment(&body.user, &body.account, &body.role);
    StatusCode::NO_CONTENT
}

async fn add_fault(State(server): State<Server>, Json(body): Json<Fault>) -> StatusCode {
    server.center().add_fault(body);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(server): State<Server>) -> StatusCode {
    server.center().clear_faults();
    StatusCode::NO_CONTENT
}
