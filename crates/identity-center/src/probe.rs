//! Whether an endpoint answers at all. The request carries no secret, and an answer of 404 is enough.

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use ssod_model::IdentityError;

use crate::IdentityCenter;
use crate::errors::printable;

/// What an endpoint answered. `Display` shows it as "403 text/html".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body, without parameters; empty if there is none.
    pub content_type: String,
    /// Whether it has a header that AWS's services send with each answer. A proxy or a captive portal sends none.
    pub is_from_aws: bool,
}

impl fmt::Display for ProbeAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.status, self.content_type)
    }
}

impl IdentityCenter {
    /// Requests the root of an endpoint, over the same proxy and with the same certificates as every call. Follows no
    /// redirect, and does not set the clock by the answer. Fails if nothing answers within the time.
    pub async fn probe(&self, base: &str, timeout: Duration) -> Result<ProbeAnswer, IdentityError> {
        let answer = self.http.exchange(self.http.client()?.get(format!("{base}/")), timeout).await?;
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
        Ok(ProbeAnswer {
            status: answer.status.as_u16(),
            content_type: printable(content_type.trim()),
            is_from_aws: is_from_aws(&answer.headers),
        })
    }
}

fn is_from_aws(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-amzn-") || name.as_str().starts_with("x-amz-"))
}
