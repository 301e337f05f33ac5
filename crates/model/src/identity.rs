//! The seam to Identity Center: what it is asked, and how its answers are reacted to.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use thiserror::Error;

use crate::{AccountId, ClientRegistration, RoleCredentials, RoleName, Secret, SessionTokens, SsoSession};

/// The two ways to sign in. Each has a registration of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignInFlow {
    /// Authorization code with PKCE (RFC 7636) and a loopback callback.
    Browser,
    /// Device authorization (RFC 8628).
    DeviceCode,
}

impl SignInFlow {
    /// Both flows.
    pub const ALL: [Self; 2] = [Self::Browser, Self::DeviceCode];

    /// The word for it in files and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "pkce",
            Self::DeviceCode => "device-code",
        }
    }
}

impl fmt::Display for SignInFlow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The answer to StartDeviceAuthorization.
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    /// What we poll with.
    pub device_code: Secret,
    /// What the person compares or types.
    pub user_code: String,
    /// Where the code is typed.
    pub verification_uri: String,
    /// The same with the code filled in.
    pub verification_uri_complete: String,
    /// How long the code lives from when it was received.
    pub expires_in: Duration,
    /// How long to wait between polls.
    pub interval: Duration,
}

/// What CreateToken is asked with.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A device code that a person may have approved by now.
    DeviceCode(Secret),
    /// The code that the browser brought back.
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

/// An account that the signed-in person may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name, as the organisation gave it.
    pub name: String,
    /// The address of its owner.
    pub email: String,
}

/// Why Identity Center did not do what was asked: one variant for each reaction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// Nobody approved the device code yet: wait the interval.
    #[error("the sign-in is not approved yet")]
    Pending,
    /// Polled too fast: add five seconds to the interval for good (RFC 8628, section 3.5).
    #[error("Identity Center asks to poll more slowly")]
    SlowDown,
    /// The device code is dead: start anew.
    #[error("the code expired before anybody approved it")]
    CodeExpired,
    /// The person pressed deny.
    #[error("the sign-in was denied in the browser")]
    Denied,
    /// The client registration is unknown or expired: register again.
    #[error("Identity Center does not know this client registration (any more)")]
    RegistrationRejected,
    /// A dead refresh token, a used code, or an ended portal session: sign in again.
    #[error("the sign-in has ended at AWS")]
    GrantRejected,
    /// The portal does not take the access token: renew it once, then the session is over.
    #[error("the portal does not accept the access token")]
    Unauthorized,
    /// The token is good but this account or role is not assigned: signing in again is useless.
    #[error("no access to that account or role")]
    NoAccess,
    /// Too many calls: back off.
    #[error("AWS asks to slow down")]
    Throttled {
        /// What Retry-After said, if anything.
        retry_after: Option<Duration>,
    },
    /// No usable answer (network, 5xx, garbage): keep what we have and try again later.
    #[error("{0}")]
    Unavailable(String),
    /// Definitely refused for another reason: trying again will not help.
    #[error("{0}")]
    Rejected(String),
}

/// IAM Identity Center, as far as ssod needs it.
pub trait IdentityProvider: Send + Sync + 'static {
    /// RegisterClient for one flow.
    fn register_client(
        &self,
        session: &SsoSession,
        flow: SignInFlow,
    ) -> impl Future<Output = Result<ClientRegistration, IdentityError>> + Send;

    /// StartDeviceAuthorization.
    fn start_device_authorization(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
    ) -> impl Future<Output = Result<DeviceAuthorization, IdentityError>> + Send;

    /// The URL of the authorize page; nothing is sent.
    fn authorize_url(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        redirect_uri: &str,
        state: &str,
        code_challenge: &str,
    ) -> Result<String, IdentityError>;

    /// CreateToken. A refresh that brings no new refresh token keeps the one it was asked with.
    fn create_token(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        grant: Grant,
    ) -> impl Future<Output = Result<SessionTokens, IdentityError>> + Send;

    /// All accounts of the signed-in person.
    fn list_accounts(
        &self,
        session: &SsoSession,
        access_token: &Secret,
    ) -> impl Future<Output = Result<Vec<Account>, IdentityError>> + Send;

    /// All roles in one account.
    fn list_account_roles(
        &self,
        session: &SsoSession,
        access_token: &Secret,
        account_id: &AccountId,
    ) -> impl Future<Output = Result<Vec<RoleName>, IdentityError>> + Send;

    /// GetRoleCredentials: new credentials at every call.
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
