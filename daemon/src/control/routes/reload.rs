//! `POST /v1/reload`: reads the AWS config file again, for a client that has just changed it.

use axum::Json;
use axum::extract::State;

use crate::config::aws_config::LiveAwsConfig;
use crate::control::failure::RouteResult;

pub(in crate::control) async fn answer(State(aws_config): State<LiveAwsConfig>) -> RouteResult<()> {
    aws_config.reload().await;
    Ok(Json(()))
}
