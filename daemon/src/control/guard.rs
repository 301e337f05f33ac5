//! Refuses requests that do not come from a client of ssod.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ssod_control::{API_HEADER, API_VERSION};

use super::failure::Failure;

/// Passes a request on only if it has the header with the client's protocol version. A web page cannot send that
/// header, even if a proxy forwards its requests to the socket.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let refused = |code: &str, message: &str, hint: Option<&str>| {
        Failure::new(StatusCode::BAD_REQUEST, code, message, hint.map(str::to_owned)).into_response()
    };
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return refused("CallerRefused", "The control socket does not answer web browsers.", None);
    }
    let version = headers.get(API_HEADER).and_then(|value| value.to_str().ok()).map(str::parse::<u32>);
    match version {
        Some(Ok(API_VERSION)) => next.run(request).await,
        Some(Ok(_)) => refused(
            "OtherVersion",
            "This ssod and the running daemon have different versions.",
            Some("Install both again, end the daemon, and try again"),
        ),
        _ => refused("CallerRefused", &format!("The header {API_HEADER} with the version is missing."), None),
    }
}
