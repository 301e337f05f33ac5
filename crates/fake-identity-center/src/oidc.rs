//! The OIDC service: registrations, device codes, authorization codes, tokens.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use ssod_model::{Timestamp, TimestampExt};
use url::Url;

use crate::records::{
    AccessTokenRecord, AuthorizationCode, DeviceOutcome, DeviceRequest, RefreshTokenRecord, RegisteredClient,
    Registration,
};
use crate::{ApiError, Center};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The lifetime of tokens without the scope for accounts, which cannot be renewed.
const LEGACY_TOKEN_LIFETIME: Duration = Duration::from_hours(8);

/// The output of StartDeviceAuthorization.
#[derive(Clone, Debug)]
pub struct DeviceResponse {
    /// The code with which the client polls.
    pub device_code: String,
    /// The code that the user enters.
    pub user_code: String,
    /// The seconds until the codes expire.
    pub expires_in: u64,
    /// The poll interval in seconds.
    pub interval: u64,
}

/// The query of the authorize page.
#[derive(Clone, Debug, Deserialize)]
pub struct AuthorizationRequest {
    /// `code`.
    pub response_type: String,
    /// The client.
    pub client_id: String,
    /// The URL that gets the code, with its port.
    pub redirect_uri: String,
    /// The client's value, which is returned unchanged.
    pub state: String,
    /// `S256`.
    pub code_challenge_method: String,
    /// The SHA-256 of the verifier, in base64url.
    pub code_challenge: String,
    /// The scopes, separated by spaces.
    #[serde(default)]
    pub scopes: String,
}

/// The input of CreateToken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRequest {
    /// The client.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret: Option<String>,
    /// The grant's type, which determines the other fields.
    pub grant_type: Option<String>,
    /// The code of a device grant.
    pub device_code: Option<String>,
    /// The code of an authorization code grant.
    pub code: Option<String>,
    /// The redirect URI of an authorization code grant.
    pub redirect_uri: Option<String>,
    /// The verifier of an authorization code grant.
    pub code_verifier: Option<String>,
    /// The token of a refresh token grant.
    pub refresh_token: Option<String>,
}

/// The output of CreateToken.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// The bearer token.
    pub access_token: String,
    /// The seconds until it expires.
    pub expires_in: u64,
    /// The refresh token; `None` without the scope for accounts.
    pub refresh_token: Option<String>,
}

impl Center {
    /// Executes RegisterClient, and returns the client's id, its secret, and when it expires.
    pub fn register_client(
        &mut self,
        now: Timestamp,
        registration: Registration,
    ) -> Result<(String, String, Timestamp), ApiError> {
        let invalid_metadata =
            |text| ApiError::oidc(400, "InvalidClientMetadataException", "invalid_client_metadata", text);
        if registration.client_name.as_deref().is_none_or(str::is_empty) {
            return Err(ApiError::invalid_request("clientName is missing"));
        }
        if registration.client_type.as_deref() != Some("public") {
            return Err(invalid_metadata("clientType must be public"));
        }
        let both_flows = [DEVICE_GRANT, "authorization_code"];
        if both_flows.iter().all(|grant| registration.grant_types.iter().any(|given| given == grant)) {
            // AWS answers a client that registers for both flows with this error, without an explanation.
            return Err(ApiError::oidc(500, "InternalServerException", "server_error", ""));
        }
        if registration.redirect_uris.iter().any(|uri| !is_loopback_redirect(uri)) {
            return Err(ApiError::oidc(
                400,
                "InvalidRedirectUriException",
                "invalid_redirect_uri",
                "not loopback",
            ));
        }
        let (id, secret) = (self.new_secret("client-"), self.new_secret("client-secret-"));
        let expires_at = now.plus(self.lifetimes.registration);
        self.clients
            .insert(id.clone(), RegisteredClient { secret: secret.clone(), expires_at, registration });
        Ok((id, secret, expires_at))
    }

    /// Executes StartDeviceAuthorization.
    pub fn start_device_authorization(
        &mut self,
        now: Timestamp,
        client_id: &str,
        client_secret: &str,
        start_url: &str,
    ) -> Result<DeviceResponse, ApiError> {
        self.authenticate_client(now, client_id, client_secret)?;
        if start_url.is_empty() {
            return Err(ApiError::invalid_request("startUrl is missing"));
        }
        let device_code = self.new_secret("device-");
        let digits = self.new_secret("");
        let user_code = format!("{}-{}", to_letters(&digits[..8]), to_letters(&digits[8..16]));
        let request = DeviceRequest {
            client_id: client_id.to_owned(),
            user_code: user_code.clone(),
            expires_at: now.plus(self.lifetimes.device_code),
            last_poll: None,
            outcome: DeviceOutcome::Pending,
        };
        self.devices.insert(device_code.clone(), request);
        Ok(DeviceResponse {
            device_code,
            user_code,
            expires_in: self.lifetimes.device_code.as_secs(),
            interval: self.lifetimes.poll_interval.as_secs().max(1),
        })
    }

    /// Records the user's answer on the device page. Fails with a message for the page.
    pub fn answer_device(
        &mut self,
        now: Timestamp,
        user_code: &str,
        user: &str,
        approve: bool,
    ) -> Result<(), &'static str> {
        let known = self.world.users.iter().any(|known| known.name == user);
        let request =
            self.devices.values_mut().find(|request| request.user_code.eq_ignore_ascii_case(user_code));
        match request {
            None => Err("There is no such code."),
            Some(request) if now >= request.expires_at => Err("The code has expired."),
            Some(request) if request.outcome != DeviceOutcome::Pending => {
                Err("The code has already been used.")
            }
            Some(_) if !known => Err("There is no such user."),
            Some(request) => {
                request.outcome = if approve {
                    DeviceOutcome::Approved { user: user.to_owned() }
                } else {
                    DeviceOutcome::Denied
                };
                Ok(())
            }
        }
    }

    /// Checks the query of the authorize page. Fails with a message for the page, because an unknown client or
    /// redirect URI must never cause a redirect.
    pub fn check_authorization(
        &self,
        now: Timestamp,
        request: &AuthorizationRequest,
    ) -> Result<(), &'static str> {
        let client = self.clients.get(&request.client_id).filter(|client| now < client.expires_at);
        let client = client.ok_or("This client is not registered.")?;
        let registered =
            client.registration.redirect_uris.iter().any(|uri| is_same_redirect(uri, &request.redirect_uri));
        if !registered {
            return Err("The redirect URI is not registered.");
        }
        if request.response_type != "code" || request.code_challenge_method != "S256" {
            return Err("Only response_type=code with S256 is supported.");
        }
        if request.code_challenge.len() != 43 || request.state.is_empty() {
            return Err("code_challenge or state is missing.");
        }
        Ok(())
    }

    /// Records the user's answer on the authorize page, and returns the URL to which the browser is redirected.
    pub fn answer_authorization(
        &mut self,
        now: Timestamp,
        request: &AuthorizationRequest,
        user: &str,
        approve: bool,
    ) -> Result<Url, &'static str> {
        self.check_authorization(now, request)?;
        let mut target = Url::parse(&request.redirect_uri).map_err(|_| "The redirect URI is not a URL.")?;
        if approve {
            if !self.world.users.iter().any(|known| known.name == user) {
                return Err("There is no such user.");
            }
            let code = self.new_secret("code-");
            target.query_pairs_mut().append_pair("code", &code).append_pair("state", &request.state);
            let record = AuthorizationCode {
                client_id: request.client_id.clone(),
                redirect_uri: request.redirect_uri.clone(),
                challenge: request.code_challenge.clone(),
                expires_at: now.plus(self.lifetimes.authorization_code),
                user: user.to_owned(),
            };
            self.codes.insert(code, record);
        } else {
            target
                .query_pairs_mut()
                .append_pair("error", "access_denied")
                .append_pair("error_description", "The request was denied by the user")
                .append_pair("state", &request.state);
        }
        Ok(target)
    }

    /// Executes CreateToken.
    pub fn create_token(
        &mut self,
        now: Timestamp,
        request: &TokenRequest,
    ) -> Result<TokenResponse, ApiError> {
        let client_id = request.client_id.as_deref().unwrap_or_default();
        self.authenticate_client(now, client_id, request.client_secret.as_deref().unwrap_or_default())?;
        match request.grant_type.as_deref() {
            Some(DEVICE_GRANT) => self.token_for_device(now, client_id, request.device_code.as_deref()),
            Some("authorization_code") => self.token_for_code(now, client_id, request),
            Some("refresh_token") => self.token_for_refresh(now, client_id, request.refresh_token.as_deref()),
            _ => Err(ApiError::oidc(
                400,
                "UnsupportedGrantTypeException",
                "unsupported_grant_type",
                "unknown grant",
            )),
        }
    }

    fn token_for_device(
        &mut self,
        now: Timestamp,
        client: &str,
        code: Option<&str>,
    ) -> Result<TokenResponse, ApiError> {
        let code = code.unwrap_or_default();
        let interval = self.lifetimes.poll_interval / 2;
        let request = self.devices.get_mut(code).filter(|request| request.client_id == client);
        let request = request.ok_or_else(|| ApiError::invalid_grant("unknown device code"))?;
        if now >= request.expires_at {
            return Err(ApiError::oidc(
                400,
                "ExpiredTokenException",
                "expired_token",
                "the device code expired",
            ));
        }
        let last = request.last_poll.replace(now);
        match request.outcome.clone() {
            DeviceOutcome::Pending if last.is_some_and(|last| now.since_or_zero(last) < interval) => {
                Err(ApiError::oidc(400, "SlowDownException", "slow_down", "polled too fast"))
            }
            DeviceOutcome::Pending => Err(ApiError::oidc(
                400,
                "AuthorizationPendingException",
                "authorization_pending",
                "not approved yet",
            )),
            DeviceOutcome::Denied => {
                Err(ApiError::oidc(400, "AccessDeniedException", "access_denied", "denied by the user"))
            }
            DeviceOutcome::Approved { user } => {
                self.devices.remove(code);
                let portal_session = self.open_portal_session(now, &user);
                Ok(self.issue(now, portal_session, client))
            }
        }
    }

    fn token_for_code(
        &mut self,
        now: Timestamp,
        client: &str,
        request: &TokenRequest,
    ) -> Result<TokenResponse, ApiError> {
        // Removed before the check, because a code can be used only once, even with a wrong verifier.
        let code = self.codes.remove(request.code.as_deref().unwrap_or_default());
        let code = code.filter(|code| code.client_id == client && now < code.expires_at);
        let code = code.ok_or_else(|| ApiError::invalid_grant("unknown, used or expired code"))?;
        let verifier = request.code_verifier.as_deref().unwrap_or_default();
        if BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != code.challenge {
            return Err(ApiError::invalid_grant("the code verifier does not match"));
        }
        if request.redirect_uri.as_deref() != Some(code.redirect_uri.as_str()) {
            return Err(ApiError::invalid_grant("the redirect URI does not match"));
        }
        let portal_session = self.open_portal_session(now, &code.user);
        Ok(self.issue(now, portal_session, client))
    }

    fn token_for_refresh(
        &mut self,
        now: Timestamp,
        client: &str,
        token: Option<&str>,
    ) -> Result<TokenResponse, ApiError> {
        let token = token.unwrap_or_default();
        let known = self.refresh_tokens.get(token).filter(|known| known.client_id == client);
        let portal_session = known.map(|known| known.portal_session);
        let active_session = portal_session.filter(|id| self.portal_session(now, *id).is_some());
        let active_session = active_session
            .ok_or_else(|| ApiError::invalid_grant("the refresh token was used or its session has ended"))?;
        if self.lifetimes.single_use_refresh_tokens {
            self.refresh_tokens.remove(token);
        }
        let mut issued = self.issue(now, active_session, client);
        if !self.lifetimes.single_use_refresh_tokens {
            self.refresh_tokens.retain(|known, _| Some(known) != issued.refresh_token.as_ref());
            issued.refresh_token = None;
        }
        Ok(issued)
    }

    /// Issues an access token, and a refresh token if the client has a scope.
    fn issue(&mut self, now: Timestamp, portal_session: u64, client_id: &str) -> TokenResponse {
        let scopes = self.clients.get(client_id).map(|client| client.registration.scopes.clone());
        let is_renewable = scopes.is_some_and(|scopes| !scopes.is_empty());
        let lifetime = if is_renewable { self.lifetimes.access_token } else { LEGACY_TOKEN_LIFETIME };
        let access_token = self.new_secret("access-");
        self.access_tokens.retain(|_, token| now < token.expires_at);
        self.access_tokens.insert(
            access_token.clone(),
            AccessTokenRecord { portal_session, expires_at: now.plus(lifetime) },
        );
        let refresh_token = is_renewable.then(|| self.new_secret("refresh-"));
        if let Some(token) = &refresh_token {
            let record = RefreshTokenRecord { portal_session, client_id: client_id.to_owned() };
            self.refresh_tokens.insert(token.clone(), record);
        }
        TokenResponse { access_token, expires_in: lifetime.as_secs(), refresh_token }
    }

    fn authenticate_client(
        &self,
        now: Timestamp,
        id: &str,
        secret: &str,
    ) -> Result<&RegisteredClient, ApiError> {
        let client = self.clients.get(id).filter(|client| client.secret == secret && now < client.expires_at);
        client.ok_or_else(|| {
            ApiError::oidc(401, "InvalidClientException", "invalid_client", "unknown or expired client")
        })
    }
}

fn is_loopback_redirect(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|uri| uri.scheme() == "http" && uri.host_str() == Some("127.0.0.1"))
}

/// Compares two redirect URIs without their ports: by RFC 8252, section 7.3, any port is accepted on a loopback
/// address.
fn is_same_redirect(registered: &str, given: &str) -> bool {
    let without_port = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_port(None).ok()?;
        Some(url)
    };
    is_loopback_redirect(given) && without_port(registered) == without_port(given)
}

/// Maps hexadecimal digits to letters that a user cannot confuse with each other.
fn to_letters(hex: &str) -> String {
    hex.chars()
        .take(4)
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| b"BCDFGHJKLMNPQRST"[digit as usize] as char)
        .collect()
}

#[cfg(test)]
mod tests;
