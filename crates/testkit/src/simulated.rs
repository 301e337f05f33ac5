//! A simulated Identity Center: the fake's state machine behind the model's trait, without HTTP and on the test's
//! clock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ssod_clock::Clock;
use ssod_fake_identity_center::{ApiError, Center, Lifetimes, Registration, TokenRequest, World};
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, Grant, IdentityError, IdentityProvider,
    RoleCredentials, RoleName, Secret, SessionTokens, SignInFlow, SsoSession, Timestamp, TimestampExt,
};
use tokio::sync::Semaphore;

/// An [`IdentityProvider`] for tests. Clones share one state.
#[derive(Clone)]
pub struct SimulatedIdentityCenter(Arc<SimulatedState>);

struct SimulatedState {
    center: Mutex<Center>,
    clock: Clock,
    is_reachable: AtomicBool,
    /// What something else answers to every call in AWS's place.
    foreign_answer: Mutex<Option<IdentityError>>,
    calls: AtomicUsize,
    /// The endpoint of each call that carried a secret; `None` is AWS's own.
    secrets_sent_to: Mutex<Vec<Option<String>>>,
    /// Every answer of GetRoleCredentials and of a renewal waits for a permit, so a test can hold the answers back.
    answer_permits: Semaphore,
}

impl SimulatedIdentityCenter {
    /// Returns an Identity Center with the users alice and bob.
    pub fn new(clock: impl Into<Clock>, lifetimes: Lifetimes) -> Self {
        Self::with_world(World::seed(), clock, lifetimes)
    }

    /// Returns an Identity Center with these users, accounts and assignments.
    pub fn with_world(world: World, clock: impl Into<Clock>, lifetimes: Lifetimes) -> Self {
        Self(Arc::new(SimulatedState {
            center: Mutex::new(Center::new(world, lifetimes, 1)),
            clock: clock.into(),
            is_reachable: AtomicBool::new(true),
            foreign_answer: Mutex::new(None),
            calls: AtomicUsize::new(0),
            secrets_sent_to: Mutex::default(),
            answer_permits: Semaphore::new(Semaphore::MAX_PERMITS),
        }))
    }

    /// Returns the state machine.
    pub fn center(&self) -> MutexGuard<'_, Center> {
        self.0.center.lock().unwrap()
    }

    /// Sets whether AWS can be reached from now on.
    pub fn set_reachable(&self, is_reachable: bool) {
        self.0.is_reachable.store(is_reachable, Ordering::SeqCst);
    }

    /// Sets what something else answers to every call in AWS's place from now on; `None` lets AWS answer.
    pub fn set_foreign_answer(&self, answer: Option<IdentityError>) {
        *self.0.foreign_answer.lock().unwrap() = answer;
    }

    /// Returns how many calls were made, whether they succeeded or not.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Returns the endpoints of all calls that carried a secret, oldest first; `None` is AWS's own.
    pub fn secrets_sent_to(&self) -> Vec<Option<String>> {
        self.0.secrets_sent_to.lock().unwrap().clone()
    }

    fn note_secret(&self, endpoint: Option<&String>) {
        self.0.secrets_sent_to.lock().unwrap().push(endpoint.cloned());
    }

    /// Holds back every further answer of GetRoleCredentials and of a renewal: the call takes effect, but
    /// its answer does not arrive.
    pub fn hold_answers(&self) {
        self.0.answer_permits.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Releases the answers that were held back.
    pub fn release_answers(&self) {
        self.0.answer_permits.add_permits(1_000);
    }

    /// Signs the user in with a device code, and returns the tokens.
    pub fn sign_in(&self, user: &str, client: &ClientRegistration) -> SessionTokens {
        let now = self.0.clock.now();
        let mut center = self.center();
        let secret = client.client_secret.expose();
        let device = center.start_device_authorization(now, &client.client_id, secret, "https://x").unwrap();
        center.answer_device(now, &device.user_code, user, true).unwrap();
        drop(center);
        self.issue_tokens(client, &Grant::DeviceCode(device.device_code.into())).unwrap()
    }

    /// Counts a call and returns the time and the state machine. Fails while AWS does not answer.
    fn begin_call(&self) -> Result<(Timestamp, MutexGuard<'_, Center>), IdentityError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        if !self.0.is_reachable.load(Ordering::SeqCst) {
            return Err(IdentityError::Unavailable("AWS cannot be reached".to_owned()));
        }
        if let Some(answer) = self.0.foreign_answer.lock().unwrap().clone() {
            return Err(answer);
        }
        Ok((self.0.clock.now(), self.center()))
    }

    fn issue_tokens(
        &self,
        client: &ClientRegistration,
        grant: &Grant,
    ) -> Result<SessionTokens, IdentityError> {
        let (now, mut center) = self.begin_call()?;
        let mut request = TokenRequest {
            client_id: Some(client.client_id.clone()),
            client_secret: Some(client.client_secret.expose().to_owned()),
            ..TokenRequest::default()
        };
        let previous_refresh_token = match grant {
            Grant::DeviceCode(code) => {
                request.grant_type = Some("urn:ietf:params:oauth:grant-type:device_code".to_owned());
                request.device_code = Some(code.expose().to_owned());
                None
            }
            Grant::RefreshToken(token) => {
                request.grant_type = Some("refresh_token".to_owned());
                request.refresh_token = Some(token.expose().to_owned());
                Some(token.clone())
            }
            Grant::AuthorizationCode { .. } => {
                return Err(IdentityError::Rejected("not simulated".to_owned()));
            }
        };
        let issued = center.create_token(now, &request).map_err(|error| identity_error(&error))?;
        Ok(SessionTokens {
            access_token: issued.access_token.into(),
            issued_at: now,
            expires_at: now.plus(Duration::from_secs(issued.expires_in)),
            refresh_token: issued.refresh_token.map(Secret::from).or(previous_refresh_token),
            client: client.clone(),
        })
    }
}

impl IdentityProvider for SimulatedIdentityCenter {
    async fn register_client(
        &self,
        session: &SsoSession,
        _flow: SignInFlow,
    ) -> Result<ClientRegistration, IdentityError> {
        let (now, mut center) = self.begin_call()?;
        let registration = Registration {
            client_name: Some("ssod".to_owned()),
            client_type: Some("public".to_owned()),
            scopes: session.scopes.clone(),
            ..Registration::default()
        };
        let (client_id, secret, expires_at) =
            center.register_client(now, registration).map_err(|error| identity_error(&error))?;
        Ok(ClientRegistration { client_id, client_secret: secret.into(), expires_at })
    }

    async fn start_device_authorization(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
    ) -> Result<DeviceAuthorization, IdentityError> {
        self.note_secret(session.endpoints.oidc.as_ref());
        let (now, mut center) = self.begin_call()?;
        let (id, secret) = (&client.client_id, client.client_secret.expose());
        let device = center.start_device_authorization(now, id, secret, session.start_url.as_str());
        let device = device.map_err(|error| identity_error(&error))?;
        Ok(DeviceAuthorization {
            device_code: device.device_code.into(),
            user_code: device.user_code,
            verification_uri: "https://x/device".to_owned(),
            verification_uri_complete: "https://x/device".to_owned(),
            expires_in: Duration::from_secs(device.expires_in),
            interval: Duration::from_secs(device.interval),
        })
    }

    fn authorize_url(
        &self,
        _session: &SsoSession,
        _client: &ClientRegistration,
        _redirect_uri: &str,
        _state: &str,
        _code_challenge: &str,
    ) -> Result<String, IdentityError> {
        Err(IdentityError::Rejected("not simulated: use sign_in()".to_owned()))
    }

    async fn create_token(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        grant: Grant,
    ) -> Result<SessionTokens, IdentityError> {
        self.note_secret(session.endpoints.oidc.as_ref());
        let answer = self.issue_tokens(client, &grant);
        if matches!(grant, Grant::RefreshToken(_)) {
            // At this point, the refresh token is used, and the answer has not arrived.
            let _permit = self.0.answer_permits.acquire().await;
        }
        answer
    }

    async fn list_accounts(
        &self,
        session: &SsoSession,
        token: &Secret,
    ) -> Result<Vec<Account>, IdentityError> {
        self.note_secret(session.endpoints.portal.as_ref());
        let (now, center) = self.begin_call()?;
        let accounts = center.list_accounts(now, token.expose()).map_err(|error| identity_error(&error))?;
        let account = |account: &ssod_fake_identity_center::AwsAccount| Account {
            id: AccountId::parse(&account.id).unwrap(),
            name: account.name.clone(),
            email: account.email.clone(),
        };
        Ok(accounts.into_iter().map(account).collect())
    }

    async fn list_account_roles(
        &self,
        session: &SsoSession,
        token: &Secret,
        account_id: &AccountId,
    ) -> Result<Vec<RoleName>, IdentityError> {
        self.note_secret(session.endpoints.portal.as_ref());
        let (now, center) = self.begin_call()?;
        let roles = center.list_account_roles(now, token.expose(), account_id.as_str());
        Ok(roles
            .map_err(|error| identity_error(&error))?
            .into_iter()
            .map(|role| RoleName::parse(role).unwrap())
            .collect())
    }

    async fn role_credentials(
        &self,
        session: &SsoSession,
        token: &Secret,
        account_id: &AccountId,
        role_name: &RoleName,
    ) -> Result<RoleCredentials, IdentityError> {
        self.note_secret(session.endpoints.portal.as_ref());
        let (now, grant) = {
            let (now, mut center) = self.begin_call()?;
            let granted =
                center.role_credentials(now, token.expose(), account_id.as_str(), role_name.as_str());
            (now, granted.map_err(|error| identity_error(&error))?)
        };
        // At this point, the credentials are issued, and the answer has not arrived.
        let _permit = self.0.answer_permits.acquire().await;
        Ok(RoleCredentials {
            access_key_id: format!("ASIA-{}-{}", grant.user, grant.serial),
            secret_access_key: Secret::new("secret".to_owned()),
            session_token: Secret::new("session".to_owned()),
            issued_at: now,
            expiration: grant.expiration,
        })
    }

    async fn logout(&self, session: &SsoSession, token: &Secret) -> Result<(), IdentityError> {
        self.note_secret(session.endpoints.portal.as_ref());
        let (now, mut center) = self.begin_call()?;
        center.logout(now, token.expose()).map_err(|error| identity_error(&error))
    }
}

/// Returns the error for an exception. The real client maps the same names.
fn identity_error(error: &ApiError) -> IdentityError {
    match error.exception {
        "AuthorizationPendingException" => IdentityError::Pending,
        "SlowDownException" => IdentityError::SlowDown,
        "ExpiredTokenException" => IdentityError::CodeExpired,
        "AccessDeniedException" => IdentityError::Denied,
        "InvalidGrantException" => IdentityError::GrantRejected,
        "InvalidClientException" => IdentityError::RegistrationRejected,
        "UnauthorizedException" => IdentityError::Unauthorized,
        "ForbiddenException" => IdentityError::NoAccess,
        _ => IdentityError::Rejected(error.description.clone()),
    }
}
