//! Sends requests to AWS over HTTPS, or to an endpoint for tests on this machine, with limits on time and size, and
//! learns AWS's time from the answers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, NoProxy, RequestBuilder, Response, Url};
use serde::de::IgnoredAny;
use ssod_clock::Clock;
use ssod_model::{IdentityError, Timestamp, public_url};
use thiserror::Error;

use crate::destination::{Route, route};
use crate::errors::{ErrorAnswer, classify, not_from_aws, printable};
use crate::loopback::{self, LoopbackCheck};
use crate::operation::Operation;
use crate::transport::{
    Answer, CONNECT_TIMEOUT, LATE, MAX_BODY_BYTES, TOTAL_TIMEOUT, USER_AGENT_TEXT, too_large,
};

/// The settings for the connections to AWS.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// The proxy. Nothing else decides about it: the variables of the environment are not read here.
    pub proxy: Option<ProxyOptions>,
    /// PEM certificates to trust in addition to the system's.
    pub ca_bundle: Option<Vec<u8>>,
    /// Which listeners on this machine may get secrets.
    pub loopback: LoopbackCheck,
}

/// A proxy for the calls to AWS.
#[derive(Clone)]
pub struct ProxyOptions {
    /// Its URL, which may have a password.
    pub url: String,
    /// The hosts that are called without it, as in the variable `NO_PROXY`.
    pub except: String,
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ProxyOptions({})", public_url(&self.url))
    }
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The proxy is not a valid URL.
    #[error("the proxy {0} is not a URL that can be used")]
    Proxy(String),
    /// The bundle contains no certificate.
    #[error("the CA bundle has no certificate in PEM form that can be read")]
    CaBundle,
}

/// An HTTP client that is created at the first request. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: Arc<Mutex<Option<Client>>>,
    proxy: Option<reqwest::Proxy>,
    certificates: Vec<reqwest::Certificate>,
    loopback: LoopbackCheck,
    clock: Clock,
}

impl HttpClient {
    /// Checks the options and sends nothing.
    pub(crate) fn new(options: &HttpOptions, clock: Clock) -> Result<Self, SetupError> {
        // Fails only if a provider is already installed, which is then the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxy = options.proxy.as_ref().map(proxy).transpose()?;
        let certificates = match &options.ca_bundle {
            None => Vec::new(),
            Some(pem) => {
                let parsed = reqwest::Certificate::from_pem_bundle(pem).ok();
                parsed.filter(|certificates| !certificates.is_empty()).ok_or(SetupError::CaBundle)?
            }
        };
        let loopback = options.loopback.clone();
        Ok(Self { client: Arc::default(), proxy, certificates, loopback, clock })
    }

    /// Returns the client. It is created at the first call, because reading the system's certificates takes longer than
    /// the rest of the start, and a restarted daemon serves from its vault first.
    pub(crate) fn client(&self) -> Result<Client, IdentityError> {
        let mut cached = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = cached.as_ref() {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // Also ignores the proxy variables, which the daemon has read.
            .no_proxy()
            .https_only(true)
            .user_agent(USER_AGENT_TEXT);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        if !self.certificates.is_empty() {
            builder = builder.tls_certs_merge(self.certificates.clone());
        }
        let client = builder.build().map_err(|error| {
            let cause = printable(&root_cause(&error));
            IdentityError::Unavailable(format!(
                "cannot set up HTTPS (are ca-certificates installed?): {cause}"
            ))
        })?;
        Ok(cached.insert(client).clone())
    }

    /// Closes the idle connections, because their buffers may still contain tokens.
    pub(crate) fn disconnect(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Sends the request, and returns the body of a successful answer of AWS.
    pub(crate) async fn send(
        &self,
        operation: Operation,
        request: RequestBuilder,
    ) -> Result<Vec<u8>, IdentityError> {
        let asked_at = self.clock.now();
        let Answer { status, headers, body } = self.exchange(request, TOTAL_TIMEOUT).await?;
        let date = headers.get(DATE).and_then(http_date);
        let redirect_host = redirect_host(&headers);
        let answer = ErrorAnswer {
            operation,
            status: status.as_u16(),
            error_type: header_text(&headers, &HeaderName::from_static("x-amzn-errortype")),
            content_type: header_text(&headers, &CONTENT_TYPE),
            redirect_host: redirect_host.as_deref(),
            retry_after: retry_after(&headers, date),
            body: &body,
        };
        let error = if status.is_success() { foreign_success(&answer) } else { Some(classify(&answer)) };
        // Only AWS's time corrects the clock, because the time of a captive portal may be years off.
        if !matches!(error, Some(IdentityError::NotFromAws { .. }))
            && let Some(date) = date
        {
            self.clock.learn(date, asked_at);
        }
        error.map_or(Ok(body), Err)
    }

    /// Sends the request to where it may go, and reads the whole answer.
    pub(crate) async fn exchange(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<Answer, IdentityError> {
        let request = request.timeout(limit).build().map_err(|error| unreachable(&error))?;
        match route(request.url())? {
            Route::Tls => {
                let response = self.client()?.execute(request).await.map_err(|error| unreachable(&error))?;
                let (status, headers) = (response.status(), response.headers().clone());
                Ok(Answer { status, headers, body: read_body(response).await? })
            }
            Route::Loopback(addresses) => {
                let answer = loopback::send(request, &addresses, &self.loopback);
                tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
                    let address = addresses.first().map(ToString::to_string).unwrap_or_default();
                    Err(IdentityError::Unavailable(format!("cannot reach {address}: {LATE}")))
                })
            }
        }
    }
}

fn proxy(options: &ProxyOptions) -> Result<reqwest::Proxy, SetupError> {
    let proxy = reqwest::Proxy::all(&options.url);
    // The library's error may contain the password.
    let proxy = proxy.map_err(|_| SetupError::Proxy(public_url(&options.url)))?;
    Ok(proxy.no_proxy(NoProxy::from_string(&options.except)))
}

/// Reads the body, up to the limit.
async fn read_body(mut response: Response) -> Result<Vec<u8>, IdentityError> {
    let announced = response.headers().get(CONTENT_LENGTH).and_then(number);
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the error for a success that is not AWS's, for example the page of a captive portal: its body is not JSON,
/// and its Content-Type is not JSON's. A logout has no body.
fn foreign_success(answer: &ErrorAnswer<'_>) -> Option<IdentityError> {
    let claims_json = answer.content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    let is_empty_logout = answer.operation == Operation::Logout && answer.body.is_empty();
    let is_from_aws =
        claims_json || is_empty_logout || serde_json::from_slice::<IgnoredAny>(answer.body).is_ok();
    (!is_from_aws).then(|| not_from_aws(answer, None))
}

/// Returns the host to which the answer redirects.
fn redirect_host(headers: &HeaderMap) -> Option<String> {
    Url::parse(header_text(headers, &LOCATION)?).ok()?.host_str().map(str::to_owned)
}

fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the seconds in Retry-After. If it is a time, they count from the Date of the same answer.
fn retry_after(headers: &HeaderMap, date: Option<Timestamp>) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?;
    number(value).or_else(|| seconds_until(http_date(value)?, date?))
}

/// Parses an HTTP date (RFC 9110, section 5.6.7), which is an RFC 2822 date with GMT as its zone.
fn http_date(value: &HeaderValue) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.to_str().ok()?).ok()
}

fn seconds_until(then: Timestamp, now: Timestamp) -> Option<u64> {
    u64::try_from(then.duration_since(now).as_secs()).ok()
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Describes a network failure in one sentence, without the URL, because its query can contain account ids.
pub(crate) fn unreachable(error: &reqwest::Error) -> IdentityError {
    let host = error.url().and_then(Url::host_str).unwrap_or("AWS").to_owned();
    let cause = if error.is_timeout() { LATE.to_owned() } else { printable(&root_cause(error)) };
    IdentityError::Unavailable(format!("cannot reach {host}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_parsed_and_other_text_is_not() {
        let date = HeaderValue::from_static("Wed, 25 Nov 2026 01:50:00 GMT");
        assert_eq!(http_date(&date).unwrap().as_second(), 1_795_571_400);
        assert_eq!(http_date(&HeaderValue::from_static("yesterday")), None);
    }
}
