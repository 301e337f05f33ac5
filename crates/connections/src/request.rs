//! The steps of one request that are the same for every listener: its body arrives within the limits, and then the
//! router answers.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::capacity::Slot;
use crate::proof::{CallerProof, Proof};

/// The limit for a request's body. The largest has a few hundred bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// How the requests of one connection are answered.
#[derive(Clone)]
pub(crate) struct RequestRules {
    pub(crate) router: Router,
    pub(crate) slot: Slot,
    pub(crate) body: BodyRule,
    pub(crate) proof: Proof,
}

/// What is done with the bodies of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyRule {
    /// A body must arrive within this time.
    Within(Duration),
    /// No body is read, because the answer is a refusal in any case.
    Ignored,
}

/// Answers one request.
pub(crate) async fn respond(rules: RequestRules, request: Request<Incoming>) -> Result<Response, Infallible> {
    let (mut parts, body) = request.into_parts();
    let body = match receive(body, rules.body).await {
        Ok(body) => body,
        Err(status) => return Ok(refuse(status)),
    };
    if rules.proof == Proof::CompleteRequest {
        rules.slot.prove();
    }
    parts.extensions.insert(CallerProof::new(rules.slot.clone()));
    let answering = Answering::begin(rules.slot);
    let response = TowerToHyperService::new(rules.router).call(Request::from_parts(parts, body)).await;
    drop(answering);
    response
}

async fn receive(body: Incoming, rule: BodyRule) -> Result<Body, StatusCode> {
    let BodyRule::Within(limit) = rule else { return Ok(Body::empty()) };
    if body.is_end_stream() {
        return Ok(Body::empty());
    }
    let received = tokio::time::timeout(limit, axum::body::to_bytes(Body::new(body), MAX_BODY_BYTES)).await;
    match received {
        Ok(Ok(bytes)) => Ok(Body::from(bytes)),
        // The connection may also have failed, and then no client reads the answer.
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// Returns the answer to a request whose body did not arrive as it should; the connection ends with it.
fn refuse(status: StatusCode) -> Response {
    (status, [(header::CONNECTION, HeaderValue::from_static("close"))]).into_response()
}

/// Keeps a connection from being closed for another one while its request is answered.
struct Answering(Slot);

impl Answering {
    fn begin(slot: Slot) -> Self {
        slot.begin_request();
        Self(slot)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end_request();
    }
}
