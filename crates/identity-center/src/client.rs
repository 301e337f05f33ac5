//! The calls themselves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Url};
use serde::Serialize;
use ssod_clock::Clock;
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, Grant, IdentityError, IdentityProvider,
    RoleCredentials, RoleName, Secret, SessionTokens, SignInFlow, SsoSession, Timestamp,
};
use thiserror::Error;

use crate::errors::{ErrorAnswer, Service, classify, plain};
use crate::{answers, oidc_base, portal_base, wire};

/// A TCP and TLS handshake that takes longer will not succeed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole call, body included: against a server that sends a byte a second.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest real answer, a page of 100 accounts, has about 30 kB.
const BODY_CAP: usize = 1024 * 1024;
/// Pages of 100 that are followed: beyond the largest organisations, below an endless loop.
const MAX_PAGES: usize = 1_000;
/// RFC 8252: AWS accepts any port on this redirect URI.
const REGISTERED_REDIRECT: &str = "http://127.0.0.1/oauth/callback";

/// How to reach the network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// A proxy URL; empty to go by the environment's variables.
    pub proxy: String,
    /// PEM certificates to trust besides the system's.
    pub ca_bundle: Option<Vec<u8>>,
}

/// The client could not be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The proxy is not a URL.
    #[error("[network] proxy is not a URL that can be used: {0}")]
    Proxy(reqwest::Error),
    /// The bundle has no certificate.
    #[error("the CA bundle has no certificate in PEM form that can be read")]
    CaBundle,
}

/// IAM Identity Center over HTTPS.
#[derive(Clone, Debug)]
pub struct IdentityCenter {
    http: Arc<Mutex<Option<Client>>>,
    proxy: Option<reqwest::Proxy>,
    certificates: Vec<reqwest::Certificate>,
    clock: Clock,
}

impl IdentityCenter {
    /// Checks the settings; nothing is sent. The system's certificates are read at the first call, not now: that takes
    /// longer than all the rest of a start, and a restarted daemon answers from its vault.
    pub fn new(network: &Network, clock: Clock) -> Result<Self, SetupError> {
        // Fails only when a provider is installed already, which then is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxy = if network.proxy.is_empty() {
            None
        } else {
            Some(reqwest::Proxy::all(&network.proxy).map_err(SetupError::Proxy)?)
        };
        let certificates = match &network.ca_bundle {
            None => Vec::new(),
            Some(pem) => {
                let read = reqwest::Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty());
                read.ok_or(SetupError::CaBundle)?
            }
        };
        Ok(Self { http: Arc::default(), proxy, certificates, clock })
    }

    /// The client, set up at the first call.
    fn http(&self) -> Result<Client, IdentityError> {
        let mut kept = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(http) = kept.as_ref() {
            return Ok(http.clone());
        }
        let mut http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("ssod/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &self.proxy {
            http = http.proxy(proxy.clone());
        }
        if !self.certificates.is_empty() {
            http = http.tls_certs_merge(self.certificates.clone());
        }
        let made = http.build().map_err(|error| {
            let why = plain(&root_cause(&error));
            IdentityError::Unavailable(format!("cannot set up HTTPS (are ca-certificates installed?): {why}"))
        })?;
        Ok(kept.insert(made).clone())
    }

    /// Closes the connections that are kept open. Their buffers hold what was sent over them last, tokens among it.
    pub fn disconnect(&self) {
        *self.http.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn post(
        &self,
        session: &SsoSession,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Vec<u8>, IdentityError> {
        let url = format!("{}{path}", oidc_base(session));
        let body = serde_json::to_vec(body).map_err(|error| IdentityError::Rejected(error.to_string()))?;
        let request = self.http()?.post(url).header("content-type", "application/json").body(body);
        let answer = self.send(Service::Oidc, request).await;
        answer.map_err(|error| name_override(error, session.endpoints.oidc.as_deref()))
    }

    async fn portal(
        &self,
        session: &SsoSession,
        token: &Secret,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<u8>, IdentityError> {
        let url = Url::parse_with_params(&format!("{}{path}", portal_base(session)), query)
            .map_err(|error| IdentityError::Rejected(format!("the portal's URL is not usable: {error}")))?;
        let request = self.http()?.get(url).headers(bearer(token)?);
        let answer = self.send(Service::Portal, request).await;
        answer.map_err(|error| name_override(error, session.endpoints.portal.as_deref()))
    }

    /// When a life began that an answer brought, and the time now. It is counted from the question on; where the answer put a
    /// clock right that was ahead, from the answer.
    fn begun(&self, asked_at: Timestamp) -> (Timestamp, Timestamp) {
        let now = self.clock.now();
        (asked_at.min(now), now)
    }

    async fn send(&self, service: Service, request: RequestBuilder) -> Result<Vec<u8>, IdentityError> {
        let asked_at = self.clock.now();
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let date = response.headers().get(DATE).and_then(|value| instant(value.to_str().ok()?));
        if let Some(date) = date {
            self.clock.learn(date, asked_at);
        }
        let status = response.status();
        if response
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(number)
            .is_some_and(|length| length > BODY_CAP as u64)
        {
            return Err(IdentityError::Unavailable(format!("an answer is larger than {BODY_CAP} bytes")));
        }
        let error_type = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let error_type = error_type.map(str::to_owned);
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| {
            // Seconds, or the time at which to come back, by the same clock as the Date.
            number(value).or_else(|| seconds_until(instant(value.to_str().ok()?)?, date?))
        });
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > BODY_CAP {
                return Err(IdentityError::Unavailable(format!("an answer is larger than {BODY_CAP} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(body);
        }
        let (status, error_type) = (status.as_u16(), error_type.as_deref());
        Err(classify(&ErrorAnswer { service, status, error_type, retry_after, body: &body }))
    }
}

impl IdentityProvider for IdentityCenter {
    async fn register_client(
        &self,
        session: &SsoSession,
        flow: SignInFlow,
    ) -> Result<ClientRegistration, IdentityError> {
        let browser = flow == SignInFlow::Browser;
        // The device flow names no grant types: registering a client with both of them gets a 500 from AWS.
        let request = wire::RegisterClient {
            client_name: "ssod",
            client_type: "public",
            scopes: &session.scopes,
            grant_types: if browser { &["authorization_code", "refresh_token"] } else { &[] },
            redirect_uris: if browser { &[REGISTERED_REDIRECT] } else { &[] },
            issuer_url: browser.then_some(session.start_url.as_str()),
        };
        let body = self.post(session, "/client/register", &request).await?;
        answers::registration(&body, self.clock.now())
    }

    async fn start_device_authorization(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
    ) -> Result<DeviceAuthorization, IdentityError> {
        let request = wire::StartDeviceAuthorization {
            client_id: &client.client_id,
            client_secret: client.client_secret.expose(),
            start_url: session.start_url.as_str(),
        };
        answers::device_authorization(&self.post(session, "/device_authorization", &request).await?)
    }

    fn authorize_url(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        redirect_uri: &str,
        state: &str,
        code_challenge: &str,
    ) -> Result<String, IdentityError> {
        let scopes = session.scopes.join(" ");
        let query = [
            ("response_type", "code"),
            ("client_id", &client.client_id),
            ("redirect_uri", redirect_uri),
            ("state", state),
            ("code_challenge_method", "S256"),
            ("scopes", &scopes),
            ("code_challenge", code_challenge),
        ];
        Url::parse_with_params(&format!("{}/authorize", oidc_base(session)), query)
            .map(String::from)
            .map_err(|error| IdentityError::Rejected(format!("the sign-in URL is not usable: {error}")))
    }

    async fn create_token(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        grant: Grant,
    ) -> Result<SessionTokens, IdentityError> {
        let mut request = wire::CreateToken {
            client_id: &client.client_id,
            client_secret: client.client_secret.expose(),
            grant_type: "urn:ietf:params:oauth:grant-type:device_code",
            device_code: None,
            code: None,
            redirect_uri: None,
            code_verifier: None,
            refresh_token: None,
        };
        match &grant {
            Grant::DeviceCode(code) => request.device_code = Some(code.expose()),
            Grant::AuthorizationCode { code, redirect_uri, verifier } => {
                request.grant_type = "authorization_code";
                request.code = Some(code.expose());
                request.redirect_uri = Some(redirect_uri);
                request.code_verifier = Some(verifier.expose());
            }
            Grant::RefreshToken(token) => {
                request.grant_type = "refresh_token";
                request.refresh_token = Some(token.expose());
            }
        }
        let issued_at = self.clock.now();
        let body = self.post(session, "/token", &request).await?;
        let kept = match grant {
            Grant::RefreshToken(token) => Some(token),
            Grant::DeviceCode(_) | Grant::AuthorizationCode { .. } => None,
        };
        let (issued_at, now) = self.begun(issued_at);
        answers::tokens(&body, issued_at, now, client.clone(), kept)
    }

    async fn list_accounts(
        &self,
        session: &SsoSession,
        access_token: &Secret,
    ) -> Result<Vec<Account>, IdentityError> {
        let mut accounts = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = vec![("max_result", "100")];
            query.extend(next.as_deref().map(|token| ("next_token", token)));
            let page = answers::accounts(
                &self.portal(session, access_token, "/assignment/accounts", &query).await?,
            )?;
            accounts.extend(page.entries);
            next = page.next;
            if next.is_none() {
                return Ok(accounts);
            }
        }
        Err(IdentityError::Unavailable("the list of accounts does not end".to_owned()))
    }

    async fn list_account_roles(
        &self,
        session: &SsoSession,
        access_token: &Secret,
        account_id: &AccountId,
    ) -> Result<Vec<RoleName>, IdentityError> {
        let mut roles = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = vec![("account_id", account_id.as_str()), ("max_result", "100")];
            query.extend(next.as_deref().map(|token| ("next_token", token)));
            let page =
                answers::roles(&self.portal(session, access_token, "/assignment/roles", &query).await?)?;
            roles.extend(page.entries);
            next = page.next;
            if next.is_none() {
                return Ok(roles);
            }
        }
        Err(IdentityError::Unavailable("the list of roles does not end".to_owned()))
    }

    async fn role_credentials(
        &self,
        session: &SsoSession,
        access_token: &Secret,
        account_id: &AccountId,
        role_name: &RoleName,
    ) -> Result<RoleCredentials, IdentityError> {
        let issued_at = self.clock.now();
        let query = [("role_name", role_name.as_str()), ("account_id", account_id.as_str())];
        let body = self.portal(session, access_token, "/federation/credentials", &query).await?;
        let (issued_at, now) = self.begun(issued_at);
        answers::role_credentials(&body, issued_at, now)
    }

    async fn logout(&self, session: &SsoSession, access_token: &Secret) -> Result<(), IdentityError> {
        let request =
            self.http()?.post(format!("{}/logout", portal_base(session))).headers(bearer(access_token)?);
        let answer = self.send(Service::Portal, request).await;
        answer.map(drop).map_err(|error| name_override(error, session.endpoints.portal.as_deref()))
    }
}

/// The portal's own header: the raw token, no scheme.
fn bearer(token: &Secret) -> Result<HeaderMap, IdentityError> {
    let mut value = HeaderValue::from_str(token.expose())
        .map_err(|_| IdentityError::Rejected("the access token cannot be sent in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(reqwest::header::HeaderName::from_static("x-amz-sso_bearer_token"), value)]))
}

/// An HTTP date (RFC 9110, section 5.6.7), which is RFC 2822's with GMT for the zone.
fn instant(date: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

fn seconds_until(then: Timestamp, now: Timestamp) -> Option<u64> {
    u64::try_from(then.duration_since(now).as_secs()).ok()
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Adds the endpoint to the error of a call that did not go to AWS: the user may not remember the override.
fn name_override(error: IdentityError, endpoint: Option<&str>) -> IdentityError {
    let Some(endpoint) = endpoint else { return error };
    let named = |reason: String| format!("{reason} (the endpoint is overridden: {})", plain(endpoint));
    match error {
        IdentityError::Unavailable(reason) => IdentityError::Unavailable(named(reason)),
        IdentityError::Rejected(reason) => IdentityError::Rejected(named(reason)),
        error => error,
    }
}

/// The network's failure in one sentence, without the URL, whose query can name accounts.
fn unreachable(error: &reqwest::Error) -> IdentityError {
    let host = error.url().and_then(Url::host_str).unwrap_or("AWS").to_owned();
    let why =
        if error.is_timeout() { "it did not answer in time".to_owned() } else { plain(&root_cause(error)) };
    IdentityError::Unavailable(format!("cannot reach {host}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_an_overridden_endpoint_names_it() {
        let failed = || IdentityError::Unavailable("no answer".to_owned());
        assert_eq!(name_override(failed(), None), failed());
        let named = name_override(failed(), Some("http://localhost:4566")).to_string();
        assert_eq!(named, "no answer (the endpoint is overridden: http://localhost:4566)");
        assert_eq!(name_override(IdentityError::NoAccess, Some("x")), IdentityError::NoAccess);
    }

    #[test]
    fn awss_date_is_read_and_garbage_is_not() {
        assert_eq!(instant("Wed, 25 Nov 2026 01:50:00 GMT").unwrap().as_second(), 1_795_571_400);
        assert_eq!(instant("yesterday"), None);
    }
}
