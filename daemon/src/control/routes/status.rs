//! `GET /v1/status`, and `GET /v1/daemon`, which returns only the part about the daemon.

use axum::Json;
use axum::extract::State;
use ssod_control::{DaemonStatus, Status};

use crate::control::failure::RouteResult;
use crate::control::report::Reporter;

pub(in crate::control) async fn answer(State(reporter): State<Reporter>) -> RouteResult<Status> {
    Ok(Json(reporter.status()))
}

pub(in crate::control) async fn daemon(State(reporter): State<Reporter>) -> RouteResult<DaemonStatus> {
    Ok(Json(reporter.daemon()))
}
