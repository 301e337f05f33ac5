//! What requests over TLS and requests on loopback have in common: their limits, and their answers.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use ssod_model::IdentityError;

/// A TCP and TLS handshake that takes longer will not succeed.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The limit for a whole call, including the body, so that a server that sends one byte per second cannot hold it.
pub(crate) const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest real answer, a page of 100 accounts, has about 30 kB.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The `User-Agent` of every request.
pub(crate) const USER_AGENT_TEXT: &str = concat!("ssod/", env!("CARGO_PKG_VERSION"));

/// Why a request failed that reached a limit of time.
pub(crate) const LATE: &str = "it did not answer in time";

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Returns the error for an answer that is larger than the limit.
pub(crate) fn too_large() -> IdentityError {
    IdentityError::Unavailable(format!("an answer is larger than {MAX_BODY_BYTES} bytes"))
}
