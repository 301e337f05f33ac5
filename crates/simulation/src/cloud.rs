//! AWS as the laptop sees it: the fake's state machine behind a simulated network, which can delay and lose calls,
//! throttle them, or fail.

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

/// How long the HTTP client waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a call takes to fail without a network, which is less than the wait for an answer.
const NO_ROUTE_DELAY: Duration = Duration::from_secs(1);

/// AWS and the network to it. Clones share one state.
#[derive(Clone)]
pub(crate) struct Cloud {
    aws: SimulatedIdentityCenter,
    time: Time,
    network: Arc<Mutex<SimulatedNetwork>>,
    ledger: Ledger,
}

/// The faults of the network and of AWS. Each share is a fraction of all calls, from 0 to 1.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedNetwork {
    /// No call reaches AWS.
    pub(crate) is_down: bool,
    /// The share of calls that AWS answers with 429.
    pub(crate) throttled: f64,
    /// The Retry-After of these answers.
    pub(crate) retry_after: Option<Duration>,
    /// The share of calls that AWS answers with 503.
    pub(crate) failing: f64,
    /// The share of calls that something else answers in AWS's place.
    pub(crate) foreign: f64,
    /// The share of calls that AWS executes and whose answer is lost.
    pub(crate) lossy: f64,
    /// The longest duration of a call.
    pub(crate) latency: Duration,
    rng: fastrand::Rng,
}

impl SimulatedNetwork {
    /// Returns a network without faults.
    pub(crate) fn without_faults(seed: u64) -> Self {
        Self {
            is_down: false,
            throttled: 0.0,
            retry_after: None,
            failing: 0.0,
            foreign: 0.0,
            lossy: 0.0,
            latency: Duration::from_millis(400),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Removes all faults.
    pub(crate) fn clear_faults(&mut self) {
        *self = Self { rng: self.rng.clone(), ..Self::without_faults(0) };
    }
}

/// What the network and AWS do with a call.
enum CallOutcome {
    NoRoute,
    Throttled(Option<Duration>),
    Failing,
    Foreign(Option<Duration>),
    Lost,
    Answered,
}

impl Cloud {
    /// Creates AWS with these users and lifetimes.
    pub(crate) fn new(world: World, lifetimes: Lifetimes, time: &Time, ledger: &Ledger, seed: u64) -> Self {
        Self {
            aws: SimulatedIdentityCenter::with_world(world, time.clone(), lifetimes),
            time: time.clone(),
            network: Arc::new(Mutex::new(SimulatedNetwork::without_faults(seed))),
            ledger: ledger.clone(),
        }
    }

    /// Returns AWS's state.
    pub(crate) fn center(&self) -> MutexGuard<'_, Center> {
        self.aws.center()
    }

    /// Returns the network's state.
    pub(crate) fn network(&self) -> MutexGuard<'_, SimulatedNetwork> {
        self.network.lock().unwrap()
    }

    /// Returns one run's connection to AWS.
    pub(crate) fn connect(&self, clock: &LocalClock, life: &Life) -> AwsConnection {
        AwsConnection { cloud: self.clone(), clock: clock.clone(), life: life.clone() }
    }
}

/// One run's connection to AWS. A call of a dead run has no effect and gets no answer.
pub(crate) struct AwsConnection {
    cloud: Cloud,
    clock: LocalClock,
    life: Life,
}

impl AwsConnection {
    /// Signs a user in as in a browser, and returns the tokens, with times by the laptop's clock.
    pub(crate) fn sign_in(&self, user: &str, client: &ClientRegistration) -> SessionTokens {
        self.by_local_clock(self.cloud.aws.sign_in(user, client))
    }

    /// Returns the tokens with the same lifetime, which starts now by the laptop's clock.
    fn by_local_clock(&self, tokens: SessionTokens) -> SessionTokens {
        let (now, life) = (self.clock.now(), tokens.expires_at.since_or_zero(tokens.issued_at));
        SessionTokens { issued_at: now, expires_at: now.plus(life), ..tokens }
    }

    /// Returns a random outcome and latency for a call.
    fn draw_outcome(&self) -> (CallOutcome, Duration) {
        let mut network = self.cloud.network();
        let (draw, delay) = (network.rng.f64(), network.rng.f64());
        let latency = network.latency.mul_f64(delay.max(0.05));
        let (throttled, failing) = (network.throttled, network.throttled + network.failing);
        let outcome = if network.is_down {
            CallOutcome::NoRoute
        } else if draw < throttled {
            CallOutcome::Throttled(network.retry_after)
        } else if draw < failing {
            CallOutcome::Failing
        } else if draw < failing + network.foreign {
            CallOutcome::Foreign(network.retry_after)
        } else if draw < failing + network.foreign + network.lossy {
            CallOutcome::Lost
        } else {
            CallOutcome::Answered
        };
        (outcome, latency)
    }

    /// Makes a call. Its request, its effect and its answer are separate steps, and this run can die at each.
    async fn call<T, F>(&self, effect: impl FnOnce() -> F + Send) -> Result<T, IdentityError>
    where
        F: Future<Output = Result<T, IdentityError>> + Send,
        T: Send,
    {
        self.life.step_or_hang().await;
        let asked_at = self.clock.now();
        let (outcome, latency) = self.draw_outcome();
        tokio::time::sleep(latency / 2).await;
        let aws_time = self.cloud.time.truth();
        let result = match outcome {
            CallOutcome::NoRoute => {
                tokio::time::sleep(NO_ROUTE_DELAY).await;
                self.life.step_or_hang().await;
                return Err(IdentityError::Unavailable("there is no route to AWS".to_owned()));
            }
            CallOutcome::Throttled(retry_after) => {
                self.cloud.ledger.entries().throttled += 1;
                Err(IdentityError::Throttled { retry_after })
            }
            CallOutcome::Failing => Err(IdentityError::Unavailable("AWS answered 503".to_owned())),
            CallOutcome::Foreign(retry_after) => {
                let (status, summary) = (403, "403 text/html".to_owned());
                return Err(IdentityError::NotFromAws { status, summary, retry_after });
            }
            CallOutcome::Lost | CallOutcome::Answered => {
                self.life.step_or_hang().await;
                effect().await
            }
        };
        tokio::time::sleep(latency / 2).await;
        if matches!(outcome, CallOutcome::Lost) {
            tokio::time::sleep(ANSWER_TIMEOUT).await;
            self.life.step_or_hang().await;
            return Err(IdentityError::Unavailable("no answer in time".to_owned()));
        }
        self.life.step_or_hang().await;
        self.clock.learn(aws_time, asked_at);
        result
    }
}

impl IdentityProvider for AwsConnection {
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
            self.cloud.time.trace(|| format!("{} gets tokens: {:?}", session.name, answer.as_ref().err()));
            let tokens = answer?;
            if let Some(token) = &tokens.refresh_token {
                self.cloud.ledger.record_issued(&session.name, token.expose());
            }
            Ok(tokens)
        };
        let tokens = self.call(effect).await?;
        // As in the HTTP client, a lifetime starts at the request, or at the answer if the answer set the clock back.
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
        // The ledger must not count the call of a dead run.
        self.life.step_or_hang().await;
        let asked_at = self.clock.now();
        self.cloud.time.trace(|| format!("{} requests {role_name}", session.name));
        // The engine discards calls for an earlier sign-in, so it may request the same role again for a new one.
        let sign_in = self.cloud.center().sign_in_of(token.expose());
        // AWS may no longer know the sign-in of a token. Then the token itself identifies it.
        let sign_in = sign_in.map_or_else(|| token.expose().to_owned(), |number| number.to_string());
        let key = format!("{} {account_id}/{role_name} in sign-in {sign_in}", session.name);
        let _in_flight = self.cloud.ledger.begin_portal_call(key);
        if self.cloud.center().is_throttled(self.cloud.time.truth()) {
            tokio::time::sleep(self.draw_outcome().1).await;
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
