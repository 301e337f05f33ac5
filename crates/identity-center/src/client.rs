//! The operations of Identity Center as HTTP requests.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use ssod_clock::Clock;
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, Grant, IdentityError, IdentityProvider,
    RoleCredentials, RoleName, Secret, SessionTokens, SignInFlow, SsoSession, Timestamp, public_url,
};

use crate::answers::Page;
use crate::http::{HttpClient, HttpOptions, SetupError};
use crate::operation::Operation;
use crate::{answers, check_endpoint, oidc_base, portal_base, wire};

/// The most pages of 100 entries that are read: more than the largest organisations have, but no endless loop.
const MAX_PAGES: usize = 1_000;
/// The redirect URI without a port, because AWS accepts any port of the loopback interface (RFC 8252, section 7.3).
const REGISTERED_REDIRECT_URI: &str = "http://127.0.0.1/oauth/callback";

/// IAM Identity Center over HTTPS.
#[derive(Clone, Debug)]
pub struct IdentityCenter {
    pub(crate) http: HttpClient,
    clock: Clock,
}

/// An operation of the portal that returns a list in pages.
struct List<'a, T> {
    operation: Operation,
    path: &'static str,
    /// The query that selects the list.
    filter: &'a [(&'a str, &'a str)],
    parse: fn(&[u8]) -> Result<Page<T>, IdentityError>,
    /// The name of its entries, for the error if the list does not end.
    entries: &'static str,
}

impl IdentityCenter {
    /// Checks the options and sends nothing.
    pub fn new(options: &HttpOptions, clock: Clock) -> Result<Self, SetupError> {
        Ok(Self { http: HttpClient::new(options, clock.clone())?, clock })
    }

    /// Closes the idle connections, because their buffers may still contain tokens.
    pub fn disconnect(&self) {
        self.http.disconnect();
    }

    async fn post_oidc(
        &self,
        operation: Operation,
        session: &SsoSession,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Vec<u8>, IdentityError> {
        let url = format!("{}{path}", checked(oidc_base(session))?);
        let body = serde_json::to_vec(body).map_err(|error| IdentityError::Rejected(error.to_string()))?;
        let request = self.http.client()?.post(url).header("content-type", "application/json").body(body);
        let answer = self.http.send(operation, request).await;
        answer.map_err(|error| name_override(error, session.endpoints.oidc.as_deref()))
    }

    async fn get_portal(
        &self,
        operation: Operation,
        session: &SsoSession,
        access_token: &Secret,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<u8>, IdentityError> {
        let url = Url::parse_with_params(&format!("{}{path}", checked(portal_base(session))?), query)
            .map_err(|error| IdentityError::Rejected(format!("the portal's URL is not usable: {error}")))?;
        let request = self.http.client()?.get(url).headers(portal_authorization(access_token)?);
        let answer = self.http.send(operation, request).await;
        answer.map_err(|error| name_override(error, session.endpoints.portal.as_deref()))
    }

    /// Reads all pages of a list.
    async fn get_all_pages<T>(
        &self,
        list: &List<'_, T>,
        session: &SsoSession,
        access_token: &Secret,
    ) -> Result<Vec<T>, IdentityError> {
        let mut all = Vec::new();
        let mut next_token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = list.filter.to_vec();
            query.push(("max_result", "100"));
            query.extend(next_token.as_deref().map(|token| ("next_token", token)));
            let body = self.get_portal(list.operation, session, access_token, list.path, &query).await?;
            let page = (list.parse)(&body)?;
            all.extend(page.entries);
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(all);
            }
        }
        Err(IdentityError::Unavailable(format!("the list of {} does not end", list.entries)))
    }

    /// Returns when AWS issued what an answer contains, and the time now. The time of issue is the time of the request,
    /// or the time of the answer if that is earlier, because the answer corrected a clock that was ahead.
    fn issue_time(&self, asked_at: Timestamp) -> (Timestamp, Timestamp) {
        let now = self.clock.now();
        (asked_at.min(now), now)
    }
}

impl IdentityProvider for IdentityCenter {
    async fn register_client(
        &self,
        session: &SsoSession,
        flow: SignInFlow,
    ) -> Result<ClientRegistration, IdentityError> {
        let browser = flow == SignInFlow::Browser;
        // A device flow sends no grant types, because AWS answers 500 to a client that registers both of them.
        let request = wire::RegisterClientRequest {
            client_name: "ssod",
            client_type: "public",
            scopes: &session.scopes,
            grant_types: if browser { &["authorization_code", "refresh_token"] } else { &[] },
            redirect_uris: if browser { &[REGISTERED_REDIRECT_URI] } else { &[] },
            issuer_url: browser.then_some(session.start_url.as_str()),
        };
        let body = self.post_oidc(Operation::RegisterClient, session, "/client/register", &request).await?;
        answers::registration(&body, self.clock.now())
    }

    async fn start_device_authorization(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
    ) -> Result<DeviceAuthorization, IdentityError> {
        let request = wire::StartDeviceAuthorizationRequest {
            client_id: &client.client_id,
            client_secret: client.client_secret.expose(),
            start_url: session.start_url.as_str(),
        };
        let operation = Operation::StartDeviceAuthorization;
        let body = self.post_oidc(operation, session, "/device_authorization", &request).await?;
        answers::device_authorization(&body)
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
        let mut request = wire::CreateTokenRequest {
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
        let asked_at = self.clock.now();
        let body = self.post_oidc(Operation::CreateToken, session, "/token", &request).await?;
        let sent_refresh_token = match grant {
            Grant::RefreshToken(token) => Some(token),
            Grant::DeviceCode(_) | Grant::AuthorizationCode { .. } => None,
        };
        let (issued_at, now) = self.issue_time(asked_at);
        answers::tokens(&body, issued_at, now, client.clone(), sent_refresh_token)
    }

    async fn list_accounts(
        &self,
        session: &SsoSession,
        access_token: &Secret,
    ) -> Result<Vec<Account>, IdentityError> {
        let list = List {
            operation: Operation::ListAccounts,
            path: "/assignment/accounts",
            filter: &[],
            parse: answers::accounts,
            entries: "accounts",
        };
        self.get_all_pages(&list, session, access_token).await
    }

    async fn list_account_roles(
        &self,
        session: &SsoSession,
        access_token: &Secret,
        account_id: &AccountId,
    ) -> Result<Vec<RoleName>, IdentityError> {
        let list = List {
            operation: Operation::ListAccountRoles,
            path: "/assignment/roles",
            filter: &[("account_id", account_id.as_str())],
            parse: answers::roles,
            entries: "roles",
        };
        self.get_all_pages(&list, session, access_token).await
    }

    async fn role_credentials(
        &self,
        session: &SsoSession,
        access_token: &Secret,
        account_id: &AccountId,
        role_name: &RoleName,
    ) -> Result<RoleCredentials, IdentityError> {
        let asked_at = self.clock.now();
        let query = [("role_name", role_name.as_str()), ("account_id", account_id.as_str())];
        let operation = Operation::GetRoleCredentials;
        let body =
            self.get_portal(operation, session, access_token, "/federation/credentials", &query).await?;
        let (issued_at, now) = self.issue_time(asked_at);
        answers::role_credentials(&body, issued_at, now)
    }

    async fn logout(&self, session: &SsoSession, access_token: &Secret) -> Result<(), IdentityError> {
        let url = format!("{}/logout", checked(portal_base(session))?);
        let request = self.http.client()?.post(url).headers(portal_authorization(access_token)?);
        let answer = self.http.send(Operation::Logout, request).await;
        answer.map(drop).map_err(|error| name_override(error, session.endpoints.portal.as_deref()))
    }
}

/// Returns the base URL if requests with secrets may be sent there.
fn checked(base: String) -> Result<String, IdentityError> {
    check_endpoint(&base)?;
    Ok(base)
}

/// Returns the portal's own authorization header: the token without a scheme.
fn portal_authorization(access_token: &Secret) -> Result<HeaderMap, IdentityError> {
    let mut value = HeaderValue::from_str(access_token.expose())
        .map_err(|_| IdentityError::Rejected("the access token cannot be sent in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(HeaderName::from_static("x-amz-sso_bearer_token"), value)]))
}

/// Adds the endpoint to the error of a call that did not go to AWS, because the user may not remember the override.
fn name_override(error: IdentityError, endpoint: Option<&str>) -> IdentityError {
    let Some(endpoint) = endpoint else { return error };
    let named = |reason: String| format!("{reason} (the endpoint is overridden: {})", public_url(endpoint));
    match error {
        IdentityError::Unavailable(reason) => IdentityError::Unavailable(named(reason)),
        IdentityError::Rejected(reason) => IdentityError::Rejected(named(reason)),
        IdentityError::NotFromAws { status, summary, retry_after } => {
            IdentityError::NotFromAws { status, summary: named(summary), retry_after }
        }
        error => error,
    }
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
        let named = name_override(failed(), Some("https://user:secret@host")).to_string();
        assert_eq!(named, "no answer (the endpoint is overridden: https://host)");
        assert_eq!(name_override(IdentityError::NoAccess, Some("x")), IdentityError::NoAccess);
    }
}
