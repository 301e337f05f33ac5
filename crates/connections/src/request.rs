//! The steps of one request that are the same for every listener: its body arrives within the limits, and then the
//! handler answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};

use crate::capacity::Slot;
use crate::handler::Handler;
use crate::proof::{CallerProof, Proof};

/// The limit for a request's body. The largest has a few hundred bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What answers the requests of one connection, and their rules.
pub(crate) struct Requests<H> {
    pub(crate) handler: H,
    pub(crate) slot: CallerProof,
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
pub(crate) async fn respond<H: Handler>(
    requests: Arc<Requests<H>>,
    request: Request<Incoming>,
) -> Result<Response<H::Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match receive(body, requests.body).await {
        Ok(body) => body,
        Err(status) => return Ok(refuse(H::empty_body(), status)),
    };
    let slot = requests.slot.slot();
    if requests.proof == Proof::CompleteRequest {
        slot.prove();
    }
    let _answering = Answering::begin(slot);
    Ok(requests.handler.answer(Request::from_parts(head, body), &requests.slot).await)
}

async fn receive(body: Incoming, rule: BodyRule) -> Result<Bytes, StatusCode> {
    let BodyRule::Within(limit) = rule else { return Ok(Bytes::new()) };
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let received = tokio::time::timeout(limit, axum::body::to_bytes(Body::new(body), MAX_BODY_BYTES)).await;
    match received {
        Ok(Ok(bytes)) => Ok(bytes),
        // The connection may also have failed, and then no client reads the answer.
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// Returns the answer to a request whose body did not arrive as it should; the connection ends with it.
fn refuse<B>(empty: B, status: StatusCode) -> Response<B> {
    let mut response = Response::new(empty);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Keeps a connection from being closed for another one while its request is answered.
struct Answering<'s>(&'s Slot);

impl<'s> Answering<'s> {
    fn begin(slot: &'s Slot) -> Self {
        slot.begin_request();
        Self(slot)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.end_request();
    }
}
