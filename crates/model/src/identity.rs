//! The interface to Identity Center: its operations, and one error for each reaction.

use std::future::Future;
use std::time::Duration;

use thiserror::Error;

use crate::flow::SignInFlow;
use crate::{AccountId, ClientRegistration, RoleCredentials, RoleName, Secret, SessionTokens, SsoSession};

/// The answer to StartDeviceAuthorization.
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    /// The code that the daemon polls with.
    pub device_code: Secret,
    /// The code that the user compares or types.
    pub user_code: String,
    /// The page where the user types the code.
    pub verification_uri: String,
    /// The same page, with the code filled in.
    pub verification_uri_complete: String,
    /// How long the code is valid after it was received.
    pub expires_in: Duration,
    /// The interval between polls.
    pub interval: Duration,
}

/// The grant of a CreateToken request.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A device code, which the user may have approved.
    DeviceCode(Secret),
    /// The code from the redirect of the browser.
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// The redirect URI of the authorization request, with its port.
        redirect_uri: String,
        /// The PKCE verifier.
        verifier: Secret,
    },
    /// A refresh token.
    RefreshToken(Secret),
}

/// An account that the signed-in user may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name in the organisation.
    pub name: String,
    /// Its owner's email address.
    pub email: String,
}

/// Why a request to Identity Center failed: one variant for each reaction of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The user has not approved the device code yet: wait for the interval.
    #[error("the sign-in is not approved yet")]
    Pending,
    /// The polls are too frequent: add five seconds to the interval permanently (RFC 8628, section 3.5).
    #[error("Identity Center asks to poll more slowly")]
    SlowDown,
    /// The device code has expired: start again.
    #[error("the code expired before it was approved")]
    CodeExpired,
    /// The user denied the sign-in.
    #[error("the sign-in was denied in the browser")]
    Denied,
    /// The client registration is unknown or expired: register again.
    #[error("Identity Center does not know this client registration (any more)")]
    RegistrationRejected,
    /// The refresh token is no longer valid, the code was used, or the portal session has ended: sign in again.
    #[error("the sign-in has ended at AWS")]
    GrantRejected,
    /// The portal does not accept the access token: renew it. If that does not help, the session has ended.
    #[error("the portal does not accept the access token")]
    Unauthorized,
    /// The token is valid, but this account or role is not assigned: signing in again does not help.
    #[error("no access to that account or role")]
    NoAccess,
    /// Too many calls: back off.
    #[error("AWS asks to slow down")]
    Throttled {
        /// The Retry-After of the answer, if there is one.
        retry_after: Option<Duration>,
    },
    /// No usable answer arrived (network, 5xx, malformed): use what is in memory and retry later.
    #[error("{0}")]
    Unavailable(String),
    /// Something else than AWS answered, such as a proxy or a captive portal. It says nothing about the sign-in or the
    /// role: use what is in memory and retry soon.
    #[error("an answer that is not AWS's: {summary}")]
    NotFromAws {
        /// The HTTP status.
        status: u16,
        /// What arrived, for the user, such as `403 text/html`.
        summary: String,
        /// The Retry-After of the answer, if there is one.
        retry_after: Option<Duration>,
    },
    /// The endpoint may not get secrets, so nothing was sent.
    #[error("{reason}")]
    UntrustedEndpoint {
        /// Why, as a sentence without its period.
        reason: String,
        /// What the user can do.
        remedy: String,
    },
    /// The request was refused for another reason: a retry does not help.
    #[error("{0}")]
    Rejected(String),
}

/// The operations of IAM Identity Center that ssod uses.
pub trait IdentityProvider: Send + Sync + 'static {
    /// Calls RegisterClient for one flow.
    fn register_client(
        &self,
        session: &SsoSession,
        flow: SignInFlow,
    ) -> impl Future<Output = Result<ClientRegistration, IdentityError>> + Send;

    /// Calls StartDeviceAuthorization.
    fn start_device_authorization(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
    ) -> impl Future<Output = Result<DeviceAuthorization, IdentityError>> + Send;

    /// Returns the URL of the authorize page. It sends nothing.
    fn authorize_url(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        redirect_uri: &str,
        state: &str,
        code_challenge: &str,
    ) -> Result<String, IdentityError>;

    /// Calls CreateToken. If the answer to a refresh has no new refresh token, the old one stays valid and is returned.
    fn create_token(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        grant: Grant,
    ) -> impl Future<Output = Result<SessionTokens, IdentityError>> + Send;

    /// Lists all accounts of the signed-in user.
    fn list_accounts(
        &self,
        session: &SsoSession,
        access_token: &Secret,
    ) -> impl Future<Output = Result<Vec<Account>, IdentityError>> + Send;

    /// Lists all roles in one account.
    fn list_account_roles(
        &self,
        session: &SsoSession,
        access_token: &Secret,
        account_id: &AccountId,
    ) -> impl Future<Output = Result<Vec<RoleName>, IdentityError>> + Send;

    /// Calls GetRoleCredentials, which issues new credentials for every call.
    fn role_credentials(
        &self,
        session: &SsoSession,
        access_token: &Secret,
        account_id: &AccountId,
        role_name: &RoleName,
    ) -> impl Future<Output = Result<RoleCredentials, IdentityError>> + Send;

    /// Ends the portal session at AWS.
    fn logout(
        &self,
        session: &SsoSession,
        access_token: &Secret,
    ) -> impl Future<Output = Result<(), IdentityError>> + Send;
}
