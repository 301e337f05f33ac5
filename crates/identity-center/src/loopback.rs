//! Requests in clear text to a listener on this machine: an endpoint for tests, such as a fake Identity Center.
//!
//! Another user of the machine can listen on a loopback port. So each request has a connection of its own, and nothing
//! is sent on it before the user at its other end is known.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use ssod_model::IdentityError;
use tokio::net::TcpStream;

use crate::errors::printable;
use crate::transport::{Answer, CONNECT_TIMEOUT, MAX_BODY_BYTES, USER_AGENT_TEXT, too_large};

/// A connection to a listener on this machine, on which nothing was sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopbackConnection {
    /// This end.
    pub client: SocketAddr,
    /// The listener's end.
    pub server: SocketAddr,
}

/// Decides whether the listener at the other end of a loopback connection may get secrets. The default trusts none.
#[derive(Clone)]
pub struct LoopbackCheck(Arc<Check>);

type Check = dyn Fn(LoopbackConnection) -> Result<(), IdentityError> + Send + Sync;

impl LoopbackCheck {
    /// Creates a check; its error is [`IdentityError::UntrustedEndpoint`].
    pub fn new(
        check: impl Fn(LoopbackConnection) -> Result<(), IdentityError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(check))
    }
}

impl Default for LoopbackCheck {
    fn default() -> Self {
        Self::new(|connection| {
            let reason = format!("no listener is trusted at {}", connection.server);
            Err(IdentityError::UntrustedEndpoint { reason, remedy: String::new() })
        })
    }
}

impl fmt::Debug for LoopbackCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LoopbackCheck")
    }
}

/// Sends the request to the first of the addresses that answers. The caller limits the time.
pub(crate) async fn send(
    request: reqwest::Request,
    addresses: &[SocketAddr],
    check: &LoopbackCheck,
) -> Result<Answer, IdentityError> {
    let request = wire_request(request)?;
    let stream = connect(addresses).await?;
    let connection =
        stream.local_addr().and_then(|client| Ok(LoopbackConnection { client, server: stream.peer_addr()? }));
    let connection = connection.map_err(|error| unavailable(addresses, &error))?;
    (check.0)(connection)?;
    let failed = |error: hyper::Error| unavailable(addresses, &error);
    let (mut sender, exchange) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let answer = async move {
        let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let body = read(body, failed).await?;
        // Dropping the sender here ends the connection.
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    // An error of the connection is the error of the answer, too.
    let (answer, _) = tokio::join!(answer, exchange);
    answer
}

/// Returns the request in the form for a server, and not for a proxy.
fn wire_request(request: reqwest::Request) -> Result<hyper::Request<reqwest::Body>, IdentityError> {
    let rejected = |error: &dyn fmt::Display| IdentityError::Rejected(printable(&error.to_string()));
    let host = host_header(request.url());
    let host = HeaderValue::from_str(&host).map_err(|error| rejected(&error))?;
    let mut request = hyper::Request::<reqwest::Body>::try_from(request).map_err(|error| rejected(&error))?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = target.parse().map_err(|error| rejected(&error))?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_TEXT));
    Ok(request)
}

fn host_header(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, IdentityError> {
    // It tries one address after the other.
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addresses)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(unavailable(addresses, &error)),
        Err(late) => Err(unavailable(addresses, &late)),
    }
}

/// Reads the body, up to the limit.
async fn read(
    mut body: Incoming,
    failed: impl Fn(hyper::Error) -> IdentityError,
) -> Result<Vec<u8>, IdentityError> {
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(&failed)?.into_data() else { continue };
        if bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn unavailable(addresses: &[SocketAddr], error: &dyn std::error::Error) -> IdentityError {
    let address = addresses.first().map(ToString::to_string).unwrap_or_default();
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    IdentityError::Unavailable(format!("cannot reach {address}: {}", printable(&cause.to_string())))
}
