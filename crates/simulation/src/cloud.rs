//! AWS as the laptop sees it: the fake's state machine at the end of a network that delays, loses, refuses and is away.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ssod_clock::TimeSource;
use ssod_fake_identity_center::{Center, Lifetimes, World};
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, Grant, IdentityError, IdentityProvider,
    RoleCredentials, RoleName, Secret, SessionTokens, SignInFlow, SsoSession, TimestampExt,
};
use ssod_testkit::SimulatedIdentityCenter;

use crate::ledger::Ledger;
use crate::life::Life;
use crate::time::{LocalClock, Time};

/// When nobody answers, the HTTP client gives up after this.
const GIVES_UP: Duration = Duration::from_secs(15);
/// A network that is not there says so sooner.
const NO_ROUTE: Duration = Duration::from_secs(1);

/// AWS and the way to it. Clones share it.
#[derive(Clone)]
pub(crate) struct Cloud {
    aws: SimulatedIdentityCenter,
    time: Time,
    weather: Arc<Mutex<Weather>>,
    ledger: Ledger,
}

/// How the way to AWS is at present. Shares are of all calls, from 0 to 1.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Nobody answers.
    pub(crate) away: bool,
    /// Answered with 429.
    pub(crate) throttled: f64,
    /// What Retry-After says then.
    pub(crate) retry_after: Option<Duration>,
    /// Answered with 503.
    pub(crate) failing: f64,
    /// Done by AWS, but the answer never comes.
    pub(crate) lossy: f64,
    /// The longest that a call takes.
    pub(crate) latency: Duration,
    rng: fastrand::Rng,
}

impl Weather {
    /// As it should be.
    pub(crate) fn fine(seed: u64) -> Self {
        Self {
            away: false,
            throttled: 0.0,
            retry_after: None,
            failing: 0.0,
            lossy: 0.0,
            latency: Duration::from_millis(400),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// As it should be, from now on.
    pub(crate) fn clear(&mut self) {
        *self = Self { rng: self.rng.clone(), ..Self::fine(0) };
    }
}

/// What becomes of a call.
enum Fate {
    Away,
    Throttled(Option<Duration>),
    Failing,
    Lost,
    Answered,
}

impl Cloud {
    /// A cloud with those people and lives.
    pub(crate) fn new(world: World, lifetimes: Lifetimes, time: &Time, ledger: &Ledger, seed: u64) -> Self {
        Self {
            aws: SimulatedIdentityCenter::of(world, time.clone(), lifetimes),
            time: time.clone(),
            weather: Arc::new(Mutex::new(Weather::fine(seed))),
            ledger: ledger.clone(),
        }
    }

    /// The state machine.
    pub(crate) fn center(&self) -> MutexGuard<'_, Center> {
        self.aws.center()
    }

    /// How the way is.
    pub(crate) fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap()
    }

    /// One run's way to AWS.
    pub(crate) fn link(&self, clock: &LocalClock, life: &Life) -> Link {
        Link { cloud: self.clone(), clock: clock.clone(), life: life.clone() }
    }
}

/// One run's way to AWS: what a dead one asks has no effect and no answer.
pub(crate) struct Link {
    cloud: Cloud,
    clock: LocalClock,
    life: Life,
}

impl Link {
    /// Signs somebody in, as a person would at a browser; the laptop's clock says when.
    pub(crate) fn tokens(&self, user: &str, client: &ClientRegistration) -> SessionTokens {
        self.by_local_clock(self.cloud.aws.tokens(user, client))
    }

    /// Lives are counted from when the answer was asked for, by the laptop's clock.
    fn by_local_clock(&self, tokens: SessionTokens) -> SessionTokens {
        let (now, life) = (self.clock.now(), tokens.expires_at.since_or_zero(tokens.issued_at));
        SessionTokens { issued_at: now, expires_at: now.plus(life), ..tokens }
    }

    fn draw(&self) -> (Fate, Duration) {
        let mut weather = self.cloud.weather();
        let (draw, way) = (weather.rng.f64(), weather.rng.f64());
        let latency = weather.latency.mul_f64(way.max(0.05));
        let (throttled, failing) = (weather.throttled, weather.throttled + weather.failing);
        let fate = if weather.away {
            Fate::Away
        } else if draw < throttled {
            Fate::Throttled(weather.retry_after)
        } else if draw < failing {
            Fate::Failing
        } else if draw < failing + weather.lossy {
            Fate::Lost
        } else {
            Fate::Answered
        };
        (fate, latency)
    }

    /// A call: its sending, its effect and its answer are steps at which this run may die.
    async fn call<T, F>(&self, effect: impl FnOnce() -> F + Send) -> Result<T, IdentityError>
    where
        F: Future<Output = Result<T, IdentityError>> + Send,
        T: Send,
    {
        self.life.go_on().await;
        let asked_at = self.clock.now();
        let (fate, latency) = self.draw();
        tokio::time::sleep(latency / 2).await;
        let theirs = self.cloud.time.truth();
        let outcome = match fate {
            Fate::Away => {
                tokio::time::sleep(NO_ROUTE).await;
                self.life.go_on().await;
                return Err(IdentityError::Unavailable("nobody answers".to_owned()));
            }
            Fate::Throttled(retry_after) => {
                self.cloud.ledger.entries().throttled += 1;
                Err(IdentityError::Throttled { retry_after })
            }
            Fate::Failing => Err(IdentityError::Unavailable("AWS answered 503".to_owned())),
            Fate::Lost | Fate::Answered => {
                self.life.go_on().await;
                effect().await
            }
        };
        tokio::time::sleep(latency / 2).await;
        if matches!(fate, Fate::Lost) {
            tokio::time::sleep(GIVES_UP).await;
            self.life.go_on().await;
            return Err(IdentityError::Unavailable("no answer in time".to_owned()));
        }
        self.life.go_on().await;
        self.clock.learn(theirs, asked_at);
        outcome
    }
}

impl IdentityProvider for Link {
    async fn register_client(
        &self,
        session: &SsoSession,
        flow: SignInFlow,
    ) -> Result<ClientRegistration, IdentityError> {
        self.call(|| self.cloud.aws.register_client(session, flow)).await
    }

    async fn start_device_authorization(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
    ) -> Result<DeviceAuthorization, IdentityError> {
        self.call(|| self.cloud.aws.start_device_authorization(session, client)).await
    }

    fn authorize_url(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        redirect_uri: &str,
        state: &str,
        code_challenge: &str,
    ) -> Result<String, IdentityError> {
        self.cloud.aws.authorize_url(session, client, redirect_uri, state, code_challenge)
    }

    async fn create_token(
        &self,
        session: &SsoSession,
        client: &ClientRegistration,
        grant: Grant,
    ) -> Result<SessionTokens, IdentityError> {
        let asked_at = self.clock.now();
        let effect = move || async move {
            let answer = self.cloud.aws.create_token(session, client, grant).await;
            self.cloud.time.note(|| format!("{} gets tokens: {:?}", session.name, answer.as_ref().err()));
            let tokens = answer?;
            if let Some(token) = &tokens.refresh_token {
                self.cloud.ledger.given(&session.name, token.expose());
            }
            Ok(tokens)
        };
        let tokens = self.call(effect).await?;
        // As the HTTP client counts: from the question on, or from an answer that put the clock right.
        let (issued_at, life) =
            (asked_at.min(self.clock.now()), tokens.expires_at.since_or_zero(tokens.issued_at));
        Ok(SessionTokens { issued_at, expires_at: issued_at.plus(life), ..tokens })
    }

    async fn list_accounts(
        &self,
        session: &SsoSession,
        token: &Secret,
    ) -> Result<Vec<Account>, IdentityError> {
        self.call(|| self.cloud.aws.list_accounts(session, token)).await
    }

    async fn list_account_roles(
        &self,
        session: &SsoSession,
        token: &Secret,
        account_id: &AccountId,
    ) -> Result<Vec<RoleName>, IdentityError> {
        self.call(|| self.cloud.aws.list_account_roles(session, token, account_id)).await
    }

    async fn role_credentials(
        &self,
        session: &SsoSession,
        token: &Secret,
        account_id: &AccountId,
        role_name: &RoleName,
    ) -> Result<RoleCredentials, IdentityError> {
        // What the dead would still ask does not count.
        self.life.go_on().await;
        let asked_at = self.clock.now();
        self.cloud.time.note(|| format!("{} asks for {role_name}", session.name));
        // What was begun for an earlier sign-in is void, and may be asked for anew.
        let sign_in = self.cloud.center().sign_in_of(token.expose());
        // Tokens that AWS no longer knows are told apart by themselves.
        let sign_in = sign_in.map_or_else(|| token.expose().to_owned(), |number| number.to_string());
        let what = format!("{} {account_id}/{role_name} in sign-in {sign_in}", session.name);
        let _under_way = self.cloud.ledger.call(what);
        if self.cloud.center().is_throttled(self.cloud.time.truth()) {
            tokio::time::sleep(self.draw().1).await;
            self.cloud.ledger.entries().throttled += 1;
            return Err(IdentityError::Throttled { retry_after: None });
        }
        let credentials =
            self.call(|| self.cloud.aws.role_credentials(session, token, account_id, role_name)).await?;
        self.cloud.ledger.entries().fetches += 1;
        Ok(RoleCredentials { issued_at: asked_at.min(self.clock.now()), ..credentials })
    }

    async fn logout(&self, session: &SsoSession, token: &Secret) -> Result<(), IdentityError> {
        self.call(|| self.cloud.aws.logout(session, token)).await
    }
}
