//! `POST /v1/audit/write`: writes the queued lines of the audit logs, for a client that is about to read them, and
//! returns the newest entries that this daemon has written, for a client that verifies them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ssod_control::AuditWritten;

use crate::audit::AuditLog;
use crate::control::failure::{Failure, RouteResult};

const TIMEOUT: Duration = Duration::from_millis(500);

pub(in crate::control) async fn flush(State(audit): State<Arc<AuditLog>>) -> RouteResult<AuditWritten> {
    let writing = tokio::task::spawn_blocking(move || audit.finish(TIMEOUT));
    Ok(Json(writing.await.map_err(|panicked| Failure::broken(&panicked.into()))?))
}
