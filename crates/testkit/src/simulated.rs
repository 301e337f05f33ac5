//! Identity Center without HTTP: the fake's state machine behind the model's trait, on a clock of the test's own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ssod_clock::Clock;
use ssod_fake_identity_center::{ApiError, Center, Grant as FakeGrant, Lifetimes, Registration, World};
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, Grant, IdentityError, IdentityProvider,
    RoleCredentials, RoleName, Secret, SessionTokens, SignInFlow, SsoSession, Timestamp, TimestampExt,
};
use tokio::sync::Semaphore;

/// Clones share one state.
#[derive(Clone)]
pub struct SimulatedIdentityCenter(Arc<Inner>);

struct Inner {
    center: Mutex<Center>,
    clock: Clock,
    away: AtomicBool,
    calls: AtomicUsize,
    /// A closed gate holds every answer of GetRoleCredentials and of a renewal until it is opened.
    gate: Semaphore,
}

impl SimulatedIdentityCenter {
    /// alice and bob on that clock.
    pub fn new(clock: impl Into<Clock>, lifetimes: Lifetimes) -> Self {
        Self::of(World::seed(), clock, lifetimes)
    }

    /// Those people and what they may use.
    pub fn of(world: World, clock: impl Into<Clock>, lifetimes: Lifetimes) -> Self {
        Self(Arc::new(Inner {
            center: Mutex::new(Center::new(world, lifetimes, 1)),
            clock: clock.into(),
            away: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }))
    }

    /// The state machine.
    pub fn center(&self) -> MutexGuard<'_, Center> {
        self.0.center.lock().unwrap()
    }

    /// From now on nobody answers; or everybody does again.
    pub fn away(&self, away: bool) {
        self.0.away.store(away, Ordering::SeqCst);
    }

    /// How many calls were made, answered or not.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Holds every further answer of GetRoleCredentials and of a renewal on its way.
    pub fn close_gate(&self) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets them arrive.
    pub fn open_gate(&self) {
        self.0.gate.add_permits(1_000);
    }

    /// Signs somebody in, as a person would with a device code.
    pub fn tokens(&self, user: &str, client: &ClientRegistration) -> SessionTokens {
        let now = self.0.clock.now();
        let mut center = self.center();
        let secret = client.client_secret.expose();
        let device = center.start_device_authorization(now, &client.client_id, secret, "https://x").unwrap();
        center.answer_device(now, &device.user_code, user, true).unwrap();
        drop(center);
        self.create(client, &Grant::DeviceCode(device.device_code.into())).unwrap()
    }

    fn answer(&self) -> Result<(Timestamp, MutexGuard<'_, Center>), IdentityError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        if self.0.away.load(Ordering::SeqCst) {
            return Err(IdentityError::Unavailable("nobody answers".to_owned()));
        }
        Ok((self.0.clock.now(), self.center()))
    }

    fn create(&self, client: &ClientRegistration, grant: &Grant) -> Result<SessionTokens, IdentityError> {
        let (now, mut center) = self.answer()?;
        let mut request = FakeGrant {
            client_id: Some(client.client_id.clone()),
            client_secret: Some(client.client_secret.expose().to_owned()),
            ..FakeGrant::default()
        };
        let kept = match grant {
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
        let made = center.create_token(now, &request).map_err(|error| reaction(&error))?;
        Ok(SessionTokens {
            access_token: made.access_token.into(),
            issued_at: now,
            expires_at: now.plus(Duration::from_secs(made.expires_in)),
            refresh_token: made.refresh_token.map(Secret::from).or(kept),
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
        let (now, mut center) = self.answer()?;
        let registration = Registration {
            client_name: Some("ssod".to_owned()),
            client_type: Some("public".to_owned()),
            scopes: session.scopes.clone(),
            ..Registration::default()
        };
        let (client_id, secret, expires_at) =
            center.register_client(now, registration).map_err(|error| reaction(&error))?;
        Ok(ClientRegistration { client_id, client_secret: secret.into(), expires_at })
    }

    async fn start_device_authorization(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
    ) -> Result<DeviceAuthorization, IdentityError> {
        let (now, mut center) = self.answer()?;
        let (id, secret) = (&client.client_id, client.client_secret.expose());
        let device = center.start_device_authorization(now, id, secret, session.start_url.as_str());
        let device = device.map_err(|error| reaction(&error))?;
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
        Err(IdentityError::Rejected("not simulated: see tokens()".to_owned()))
    }

    async fn create_token(
        &self,
        _session: &SsoSession,
        client: &ClientRegistration,
        grant: Grant,
    ) -> Result<SessionTokens, IdentityError> {
        let answer = self.create(client, &grant);
        if matches!(grant, Grant::RefreshToken(_)) {
            // The answer is on its way; the refresh token is spent.
            let _open = self.0.gate.acquire().await;
        }
        answer
    }

    async fn list_accounts(
        &self,
        _session: &SsoSession,
        token: &Secret,
    ) -> Result<Vec<Account>, IdentityError> {
        let (now, center) = self.answer()?;
        let accounts = center.list_accounts(now, token.expose()).map_err(|error| reaction(&error))?;
        let account = |account: &ssod_fake_identity_center::Account| Account {
            id: AccountId::parse(&account.id).unwrap(),
            name: account.name.clone(),
            email: account.email.clone(),
        };
        Ok(accounts.into_iter().map(account).collect())
    }

    async fn list_account_roles(
        &self,
        _session: &SsoSession,
        token: &Secret,
        account_id: &AccountId,
    ) -> Result<Vec<RoleName>, IdentityError> {
        let (now, center) = self.answer()?;
        let roles = center.list_account_roles(now, token.expose(), account_id.as_str());
        Ok(roles
            .map_err(|error| reaction(&error))?
            .into_iter()
            .map(|role| RoleName::parse(role).unwrap())
            .collect())
    }

    async fn role_credentials(
        &self,
        _session: &SsoSession,
        token: &Secret,
        account_id: &AccountId,
        role_name: &RoleName,
    ) -> Result<RoleCredentials, IdentityError> {
        let (now, grant) = {
            let (now, mut center) = self.answer()?;
            let granted =
                center.role_credentials(now, token.expose(), account_id.as_str(), role_name.as_str());
            (now, granted.map_err(|error| reaction(&error))?)
        };
        // Granted, and on the way: what happens here happens while the answer travels.
        let _open = self.0.gate.acquire().await;
        Ok(RoleCredentials {
            access_key_id: format!("ASIA-{}-{}", grant.user, grant.serial),
            secret_access_key: Secret::new("secret".to_owned()),
            session_token: Secret::new("session".to_owned()),
            issued_at: now,
            expiration: grant.expiration,
        })
    }

    async fn logout(&self, _session: &SsoSession, token: &Secret) -> Result<(), IdentityError> {
        let (now, mut center) = self.answer()?;
        center.logout(now, token.expose()).map_err(|error| reaction(&error))
    }
}

/// The same reactions as over HTTP, by the exception's name.
fn reaction(error: &ApiError) -> IdentityError {
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
