//! `POST /v1/reload`: the client changed the AWS config file and wants it to count now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ssod_model::Timer;

use super::Answer;
use crate::app::Shared;

pub(super) async fn reload<C: Timer + Clone>(State(shared): State<Arc<Shared<C>>>) -> Answer<()> {
    shared.reload_aws_config().await;
    Ok(Json(()))
}
