//! The tester's own routes, below `/fake`.

use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, response::IntoResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use ssod_model::Clock;

use super::Server;
use crate::{Assignment, Fault};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// May be negative.
    advance_ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndSession {
    /// Without it, everybody's.
    user: Option<String>,
}

pub(super) fn routes<C: Clock>() -> Router<Server<C>> {
    Router::new()
        .route("/aws-config", get(aws_config::<C>))
        .route("/log", get(log::<C>))
        .route("/clock", post(clock::<C>))
        .route("/end-session", post(end_session::<C>))
        .route("/forget-registrations", post(forget_registrations::<C>))
        .route("/remove-assignment", post(remove_assignment::<C>))
        .route("/add-assignment", post(add_assignment::<C>))
        .route("/fault", post(add_fault::<C>).delete(clear_faults::<C>))
}

async fn aws_config<C: Clock>(State(server): State<Server<C>>) -> String {
    let start_url = format!("{}/start", server.base_url());
    server.center().world().aws_config(&start_url)
}

async fn log<C: Clock>(State(server): State<Server<C>>) -> Json<Value> {
    let center = server.center();
    Json(json!(center.log().collect::<Vec<_>>()))
}

async fn clock<C: Clock>(State(server): State<Server<C>>, Json(body): Json<Advance>) -> Json<Value> {
    server.advance(body.advance_ms);
    Json(json!({ "now_ms": server.now().as_millisecond() }))
}

async fn end_session<C: Clock>(State(server): State<Server<C>>, Json(body): Json<EndSession>) -> StatusCode {
    server.center().end_sessions(body.user.as_deref());
    StatusCode::NO_CONTENT
}

async fn forget_registrations<C: Clock>(State(server): State<Server<C>>) -> StatusCode {
    server.center().forget_registrations();
    StatusCode::NO_CONTENT
}

async fn remove_assignment<C: Clock>(
    State(server): State<Server<C>>,
    Json(body): Json<Assignment>,
) -> impl IntoResponse {
    if server.center().remove_assignment(&body.user, &body.account, &body.role) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn add_assignment<C: Clock>(
    State(server): State<Server<C>>,
    Json(body): Json<Assignment>,
) -> StatusCode {
    server.center().add_assignment(&body.user, &body.account, &body.role);
    StatusCode::NO_CONTENT
}

async fn add_fault<C: Clock>(State(server): State<Server<C>>, Json(body): Json<Fault>) -> StatusCode {
    server.center().add_fault(body);
    StatusCode::NO_CONTENT
}

async fn clear_faults<C: Clock>(State(server): State<Server<C>>) -> StatusCode {
    server.center().clear_faults();
    StatusCode::NO_CONTENT
}
