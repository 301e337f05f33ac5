//! Which endpoints may get secrets, and how a request reaches them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ssod_model::{IdentityError, public_url};
use thiserror::Error;
use url::{Host, Url};

/// How a request reaches an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Over TLS, and through the proxy if there is one.
    Tls,
    /// In clear text to one of these addresses of this machine, directly.
    Loopback(Vec<SocketAddr>),
}

/// Why an endpoint gets no request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// The text is no URL, or one that could be mistaken for another.
    #[error("{} is not a URL that can be called", public_url(.0))]
    NotAUrl(String),
    /// The request would be readable on its way.
    #[error("secrets are not sent to {}, because others could read them on the way", public_url(.0))]
    ClearText(String),
}

impl EndpointError {
    /// Returns what the user can do.
    pub fn remedy(&self) -> &'static str {
        "Use https, or http on 127.0.0.1, [::1] or localhost, in AWS_ENDPOINT_URL_SSO, AWS_ENDPOINT_URL_SSO_OIDC and \
         [services] sections"
    }
}

impl From<EndpointError> for IdentityError {
    fn from(error: EndpointError) -> Self {
        Self::UntrustedEndpoint { reason: error.to_string(), remedy: error.remedy().to_owned() }
    }
}

/// Checks whether requests with secrets may be sent to the URL: https, or http on loopback. (Whose listener it is on
/// loopback is checked for each connection.)
pub fn check_endpoint(url: &str) -> Result<(), EndpointError> {
    let parsed = Url::parse(url).map_err(|_| EndpointError::NotAUrl(url.to_owned()))?;
    // What is compared and shown must be the host that is called. `https:8443` is the host 0.0.32.251 for a URL parser.
    let shown = public_url(url);
    let is_complete = shown.starts_with("https://") || shown.starts_with("http://");
    if !is_complete || Url::parse(&shown).map(|shown| shown.origin()) != Ok(parsed.origin()) {
        return Err(EndpointError::NotAUrl(url.to_owned()));
    }
    route(&parsed).map(drop)
}

/// Returns how a request to the URL is sent. A host name never leads to loopback, whatever the resolver says, except
/// for `localhost`, for which the resolver is not asked.
pub(crate) fn route(url: &Url) -> Result<Route, EndpointError> {
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err(EndpointError::NotAUrl(url.to_string()));
    };
    let addresses: Vec<IpAddr> = match host {
        Host::Domain("localhost") => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Host::Ipv4(address) if address.is_loopback() => vec![address.into()],
        Host::Ipv6(address) if address.is_loopback() => vec![address.into()],
        Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => Vec::new(),
    };
    match url.scheme() {
        "https" => Ok(Route::Tls),
        "http" if !addresses.is_empty() => {
            let with_port = |address| SocketAddr::new(address, port);
            Ok(Route::Loopback(addresses.into_iter().map(with_port).collect()))
        }
        "http" => Err(EndpointError::ClearText(url.to_string())),
        _ => Err(EndpointError::NotAUrl(url.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every spelling of an endpoint, and where its requests go: over TLS, or to these addresses, or nowhere.
    #[test]
    fn secrets_go_over_tls_or_to_loopback_and_nowhere_else() {
        for tls in [
            "https://oidc.us-east-1.amazonaws.com",
            "https://gateway.example:8443/sso",
            "HTTPS://gateway.example",
            "https://user:secret@gateway.example",
            "https://127.0.0.1:4566",
            "https://198.51.100.7",
        ] {
            assert_eq!(check_endpoint(tls), Ok(()), "{tls}");
            assert_eq!(route(&Url::parse(tls).unwrap()), Ok(Route::Tls), "{tls}");
        }
        for (loopback, addresses) in [
            ("http://127.0.0.1:4566", &["127.0.0.1:4566"][..]),
            ("http://127.0.0.77:1/x", &["127.0.0.77:1"]),
            ("http://[::1]:4566", &["[::1]:4566"]),
            ("http://localhost:4566", &["127.0.0.1:4566", "[::1]:4566"]),
            ("http://LOCALHOST:4566/", &["127.0.0.1:4566", "[::1]:4566"]),
            ("http://u:p@127.0.0.1", &["127.0.0.1:80"]),
            // Another spelling of 127.0.0.1.
            ("http://2130706433:1", &["127.0.0.1:1"]),
        ] {
            let expected = addresses.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(check_endpoint(loopback), Ok(()), "{loopback}");
            assert_eq!(route(&Url::parse(loopback).unwrap()), Ok(Route::Loopback(expected)), "{loopback}");
        }
        for clear in [
            "http://198.51.100.7:8080",
            "http://oidc.us-east-1.amazonaws.com",
            "http://localhost.evil.example",
            "http://localhost.localstack.cloud:4566",
            "http://test.localhost",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@evil.example",
            "http://0.0.0.0:4566",
            "http://[::]:4566",
            "http://[::ffff:127.0.0.1]:4566",
            "http://169.254.169.254",
        ] {
            assert!(matches!(check_endpoint(clear), Err(EndpointError::ClearText(_))), "{clear}");
        }
        for other in [
            "",
            "localhost:4566",
            "127.0.0.1:4566",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "http://",
            "https://user:pass/word@evil.example",
            "https://evil.example\\@oidc.us-east-1.amazonaws.com",
            "https://evil.example/@oidc.us-east-1.amazonaws.com",
            "https:evil.example",
            "https:/evil.example",
            "https:8443",
            "https:8443/sso?x=1#y",
            "https://ev\til.example",
        ] {
            assert!(matches!(check_endpoint(other), Err(EndpointError::NotAUrl(_))), "{other}");
        }
    }

    #[test]
    fn an_error_never_contains_a_password() {
        for url in ["http://user:secret@evil.example", "ftp://user:secret@host", "user:secret"] {
            let error = check_endpoint(url).unwrap_err().to_string();
            assert!(!error.contains("secret@") && !error.contains("user"), "{error}");
        }
    }
}
