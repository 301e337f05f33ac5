//! `POST /v1/reload`: the client changed the AWS config file and wants it to count now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Answer;
use crate::app::Shared;

pub(super) async fn reload(State(shared): State<Arc<Shared>>) -> Answer<()> {
    shared.reload_aws_config().await;
    Ok(Json(()))
}
