//! The HTTP server: the state machine with its clock, and the answer to each operation.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;
use ssod_clock::Clock;
use ssod_model::{Timestamp, TimestampExt};

use crate::{ApiError, Center, Fault, FaultKind, Minter, Replacement};

/// The operations of the OIDC service, to which the portal's limit does not apply.
const OIDC_OPERATIONS: [&str; 3] = ["RegisterClient", "StartDeviceAuthorization", "CreateToken"];

/// An HTTP server for a [`Center`]. Clones share one state.
#[derive(Clone)]
pub struct Server {
    inner: Arc<ServerState>,
}

struct ServerState {
    center: Mutex<Center>,
    clock: Clock,
    /// By how many milliseconds `/fake/clock` has advanced the clock.
    clock_offset_ms: AtomicI64,
    minter: Minter,
    base_url: String,
}

impl Server {
    /// Returns a server. The URLs in its answers start with the base URL.
    pub fn new(center: Center, clock: impl Into<Clock>, minter: Minter, base_url: String) -> Self {
        let (center, clock) = (Mutex::new(center), clock.into());
        Self {
            inner: Arc::new(ServerState {
                center,
                clock,
                clock_offset_ms: AtomicI64::new(0),
                minter,
                base_url,
            }),
        }
    }

    /// Returns the state machine, for tests in the same process.
    pub fn center(&self) -> MutexGuard<'_, Center> {
        self.inner.center.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the fake's time.
    pub fn now(&self) -> Timestamp {
        let clock_offset_ms = self.inner.clock_offset_ms.load(Ordering::Relaxed);
        let by = Duration::from_millis(clock_offset_ms.unsigned_abs());
        let now = self.inner.clock.now();
        if clock_offset_ms < 0 { now.minus(by) } else { now.plus(by) }
    }

    pub(super) fn advance(&self, milliseconds: i64) {
        self.inner.clock_offset_ms.fetch_add(milliseconds, Ordering::Relaxed);
    }

    pub(super) fn minter(&self) -> &Minter {
        &self.inner.minter
    }

    pub(super) fn base_url(&self) -> &str {
        &self.inner.base_url
    }

    /// Answers a request for one of AWS's operations: applies a fault if there is one, runs the operation, and logs the
    /// request. The closure returns the result and the detail for the log.
    pub(super) async fn operation<F>(&self, name: &str, work: F) -> Response
    where
        F: AsyncFnOnce(&Self) -> (Result<Value, ApiError>, String),
    {
        self.operation_on(name, None, work).await
    }

    /// Does the same for an operation on an account.
    pub(super) async fn operation_on<F>(&self, name: &str, account: Option<&str>, work: F) -> Response
    where
        F: AsyncFnOnce(&Self) -> (Result<Value, ApiError>, String),
    {
        let now = self.now();
        let fault = {
            let mut center = self.center();
            let is_portal = !OIDC_OPERATIONS.contains(&name);
            if is_portal && center.is_throttled(now) {
                Some(Fault::throttle())
            } else {
                center.take_fault(name, account)
            }
        };
        if let Some(fault) = &fault {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        }
        if let Some(replacement) = fault.as_ref().and_then(|fault| fault.replacement.as_ref()) {
            self.center().record(self.now(), name, replacement.status, "replaced".to_owned());
            return replaced(replacement);
        }
        let kind = fault.as_ref().map(|fault| fault.kind);
        let (outcome, detail) = match kind {
            Some(FaultKind::Throttle) => {
                let mut error = ApiError::portal(429, "TooManyRequestsException", "HTTP 429 Unknown Code");
                error.retry_after = fault.and_then(|fault| fault.retry_after);
                (Err(error), "throttled".to_owned())
            }
            Some(FaultKind::Fail) => (
                Err(ApiError::oidc(503, "InternalServerException", "server_error", "a fault is set")),
                "failed".to_owned(),
            ),
            Some(FaultKind::Garbage | FaultKind::LoseAnswer | FaultKind::Delay | FaultKind::Replace)
            | None => work(self).await,
        };
        let (status, mut response) = match (kind, outcome) {
            (Some(FaultKind::Garbage), _) => {
                (200, Html("<html>not what you expected</html>").into_response())
            }
            (Some(FaultKind::LoseAnswer), _) => (0, without_answer()),
            (_, Ok(value)) => (200, json(StatusCode::OK, &value)),
            (_, Err(error)) => (error.status, error_response(&error)),
        };
        let now = self.now();
        if let Ok(date) = HeaderValue::from_str(&now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
            response.headers_mut().insert(header::DATE, date);
        }
        self.center().record(now, name, status, detail);
        response
    }
}

fn json(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn error_response(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &error.body());
    let headers = response.headers_mut();
    headers.insert("x-amzn-errortype", HeaderValue::from_static(error.exception));
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Returns the response that replaces AWS's. A header that is none is left out.
fn replaced(replacement: &Replacement) -> Response {
    let status = StatusCode::from_u16(replacement.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(replacement.body.clone())).into_response();
    for (name, value) in &replacement.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Returns a response whose connection the server closes before the body.
fn without_answer() -> Response {
    let broken = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "a fault is set");
    let body = Body::from_stream(futures_util::stream::once(async { Err::<Vec<u8>, _>(broken) }));
    ([(header::CONTENT_LENGTH, "100")], body).into_response()
}
