//! The laptop: the current run of the engine, and what its users, its administrator and its service manager do.

mod promises;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ssod_broker::{Broker, Event};
use ssod_model::{CredentialSource, Floor, IdentityProvider, SessionName, SignInFlow, TimestampExt};
use tokio::sync::broadcast;
use tokio::sync::oneshot;

use crate::cloud::{AwsConnection, Cloud, SimulatedNetwork};
use crate::disk::{Disk, Store};
use crate::ledger::{Entries, Ledger};
use crate::life::Life;
use crate::setup::{ACCOUNT, Setup, profile_name, profiles, role, session_name, sessions, user, world};
use crate::time::{LocalClock, Time};

/// How long an SDK waits at the container endpoint.
const SDK_TIMEOUT: Duration = Duration::from_millis(800);
/// How long a user waits for a sign-in or a sign-out.
const USER_TIMEOUT: Duration = Duration::from_mins(2);
type Engine = Broker<AwsConnection, Store>;

/// One run of the daemon.
struct Run {
    life: Life,
    clock: LocalClock,
    broker: Engine,
    events: broadcast::Receiver<Event>,
    /// Stops the refresher when it is dropped.
    _stop: oneshot::Sender<()>,
}

/// The laptop and everything around it.
pub(crate) struct Laptop {
    setup: Setup,
    time: Time,
    cloud: Cloud,
    disk: Disk,
    ledger: Ledger,
    run: Run,
    /// The sessions to which the user expects to be signed in.
    expected_sign_ins: BTreeSet<SessionName>,
    /// The sessions that AWS ended and the engine still shows as active, with the time of the first check that saw
    /// this.
    ended_at: BTreeMap<SessionName, Duration>,
    /// When the engine last had to start to recover, from a fault, a restart or an act of a user.
    recovering_since: Duration,
    /// Sign-ins by the user.
    pub(crate) sign_ins: usize,
    /// Notices that a session had ended.
    pub(crate) notices: usize,
    /// Requests that were answered with credentials.
    pub(crate) served: usize,
    /// The shortest remaining lifetime of credentials that were served without faults.
    pub(crate) shortest_served: Duration,
    /// The number of tasks of killed runs, which never end, so they do not count as leaks.
    dead_tasks: usize,
}

impl Laptop {
    /// Creates a laptop on which no user has signed in. If `dies_at` is set, the first run dies at that step.
    pub(crate) fn new(setup: Setup, dies_at: Option<u64>) -> Self {
        let (time, ledger, disk) = (Time::default(), Ledger::default(), Disk::default());
        let cloud = Cloud::new(world(&setup), setup.lifetimes.clone(), &time, &ledger, setup.seed);
        let run = Self::start(&setup, &time, &cloud, &disk, &ledger, dies_at);
        Self {
            setup,
            time,
            cloud,
            disk,
            ledger,
            run,
            expected_sign_ins: BTreeSet::new(),
            ended_at: BTreeMap::new(),
            recovering_since: Duration::ZERO,
            sign_ins: 0,
            notices: 0,
            served: 0,
            shortest_served: Duration::MAX,
            dead_tasks: 0,
        }
    }

    fn start(
        setup: &Setup,
        time: &Time,
        cloud: &Cloud,
        disk: &Disk,
        ledger: &Ledger,
        dies_at: Option<u64>,
    ) -> Run {
        let life = Life::new(dies_at);
        let clock = LocalClock::new(time, setup.has_alarm);
        let store = Arc::new(disk.store(&life, ledger));
        ledger.begin_run(setup.policy.portal_rate);
        let broker =
            Broker::new(cloud.connect(&clock, &life), store, clock.clone().into(), setup.policy.clone());
        broker.open().unwrap();
        broker.configure(&sessions(setup), &profiles(setup));
        let counted = broker.clone();
        clock.set_busy_ticks(move || counted.busy_ticks());
        let (stop, stopped) = oneshot::channel::<()>();
        let refresher =
            ssod_daemon::run_refresher(
                broker.clone(),
                clock.clone().into(),
                async move { drop(stopped.await) },
            );
        tokio::spawn(refresher);
        Run { life, clock, events: broker.events(), broker, _stop: stop }
    }

    /// Returns the counts and the broken promises.
    pub(crate) fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.ledger.entries()
    }

    /// Returns the time since the start, including suspends.
    pub(crate) fn elapsed(&self) -> Duration {
        self.time.elapsed()
    }

    /// Returns the network to AWS, so that faults can be set.
    pub(crate) fn network(&self) -> std::sync::MutexGuard<'_, SimulatedNetwork> {
        self.cloud.network()
    }

    /// Returns the time source, through which the wall clock can be set.
    pub(crate) fn time(&self) -> &Time {
        &self.time
    }

    /// Returns the number of steps that the current run has taken.
    pub(crate) fn steps(&self) -> u64 {
        self.run.life.steps()
    }

    /// Starts the recovery time again, because of an event from which the engine must recover.
    pub(crate) fn restart_recovery(&mut self) {
        self.recovering_since = self.time.elapsed();
    }

    /// Lets time pass.
    pub(crate) async fn wait(&mut self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Suspends the laptop for this long.
    pub(crate) fn suspend(&mut self, duration: Duration) {
        self.time.suspend(duration);
        self.restart_recovery();
    }

    /// Kills the current run as `kill -9` does.
    pub(crate) fn kill(&self) {
        self.run.life.kill();
    }

    /// Stops the current run if it is alive, and starts a new one. If `dies_at` is set, the new run dies at that step.
    pub(crate) async fn restart(&mut self, dies_at: Option<u64>) {
        if self.run.life.is_dead() {
            self.dead_tasks += alive_tasks();
        } else {
            // The daemon also limits the time of a graceful stop.
            let _ = tokio::time::timeout(Duration::from_secs(20), self.run.broker.finish()).await;
            self.run.life.kill();
        }
        self.run = Self::start(&self.setup, &self.time, &self.cloud, &self.disk, &self.ledger, dies_at);
        self.restart_recovery();
    }

    /// Restarts the daemon if it died, as the service manager does.
    pub(crate) async fn restart_if_dead(&mut self) {
        if self.run.life.is_dead() {
            self.restart(None).await;
        }
    }

    /// Sets whether the disk is full.
    pub(crate) fn set_disk_full(&mut self, full: bool) {
        self.disk.set_full(full);
        self.restart_recovery();
    }

    /// Limits the portal to `rate` calls per second, and makes it refuse this share of all calls.
    pub(crate) fn throttle(&self, rate: f64, share: f64) {
        self.cloud.center().throttle(rate, share);
    }

    /// Returns how many profiles have credentials.
    pub(crate) fn profiles_with_credentials(&self) -> usize {
        let status = self.run.broker.status();
        status.profiles.iter().filter(|profile| profile.expiration.is_some()).count()
    }

    /// Returns the shortest remaining lifetime of any profile's credentials; zero if a profile has none.
    pub(crate) fn shortest_lifetime(&self) -> Duration {
        let (status, now) = (self.run.broker.status(), self.time.truth());
        let left = |expiration: Option<ssod_model::Timestamp>| {
            expiration.map_or(Duration::ZERO, |expiration| expiration.since_or_zero(now))
        };
        status.profiles.iter().map(|profile| left(profile.expiration)).min().unwrap_or_default()
    }

    /// Lists accounts, which waits for the limiter like any SDK's call, and returns how long it took.
    pub(crate) async fn measure_list(&self) -> Duration {
        let start = self.time.elapsed();
        let (name, broker) = (session_name(0), &self.run.broker);
        let list = broker.portal(&name, |token| async move {
            broker.provider().list_accounts(&token.session, &token.secret).await
        });
        // Only the duration matters, so a refusal counts as an answer.
        let _ = list.await;
        self.time.elapsed().saturating_sub(start)
    }

    /// Notifies the engine of a change of the network.
    pub(crate) fn change_network(&self) {
        self.run.broker.try_again();
    }

    /// Removes all profiles from the configuration, and adds them again.
    pub(crate) fn edit_config(&mut self) {
        self.run.broker.configure(&sessions(&self.setup), &BTreeMap::new());
        self.run.broker.configure(&sessions(&self.setup), &profiles(&self.setup));
    }

    /// Ends the user's sessions at AWS, as an administrator does.
    pub(crate) fn end_session(&mut self, session: usize) {
        self.cloud.center().end_sessions(Some(&user(session)));
        self.restart_recovery();
    }

    /// Assigns a role to the user or removes the assignment, as an administrator does.
    pub(crate) fn assign(&mut self, session: usize, profile: usize, assigned: bool) {
        let (user, role) = (user(session), role(profile));
        let mut center = self.cloud.center();
        center.remove_assignment(&user, ACCOUNT, &role);
        if assigned {
            center.add_assignment(&user, ACCOUNT, &role);
        }
        drop(center);
        self.restart_recovery();
    }

    /// Signs in to every session to which the user is not signed in.
    pub(crate) async fn sign_in_everywhere(&mut self) {
        for index in 0..self.setup.sessions {
            self.sign_in_to(index).await;
        }
    }

    async fn sign_in(&mut self, index: usize) {
        if self.run.life.is_dead() {
            return;
        }
        let name = session_name(index);
        self.ledger.record_sign_in(&name);
        let (broker, user) = (self.run.broker.clone(), user(index));
        let attempt = async {
            let signing = broker.begin_sign_in(&name).ok()?;
            let client = signing.client(SignInFlow::DeviceCode).await.ok()?;
            let tokens = broker.provider().sign_in(&user, &client);
            signing.complete(tokens, None).await.ok()
        };
        let signed_in = tokio::time::timeout(USER_TIMEOUT, attempt).await.ok().flatten().is_some();
        if signed_in && !self.run.life.is_dead() {
            self.sign_ins += 1;
            self.expected_sign_ins.insert(name);
        }
        self.restart_recovery();
    }

    /// Signs the user out.
    pub(crate) async fn sign_out(&mut self, index: usize) {
        let name = session_name(index);
        // A full disk makes it fail, but even then the tokens are no longer in memory.
        let _ = tokio::time::timeout(USER_TIMEOUT, self.run.broker.logout(&name)).await;
        self.expected_sign_ins.remove(&name);
        self.restart_recovery();
    }

    /// Signs in to the session if the user is not signed in.
    pub(crate) async fn sign_in_to(&mut self, index: usize) {
        if !self.is_signed_in(index) {
            self.sign_in(index).await;
        }
    }

    /// Returns whether the user expects to be signed in to the session.
    pub(crate) fn is_signed_in(&self, index: usize) -> bool {
        self.expected_sign_ins.contains(&session_name(index))
    }

    /// Requests credentials as an SDK does at the endpoint, and returns whether the request got some.
    pub(crate) async fn request(&mut self, session: usize, profile: usize) -> bool {
        self.time.excuse_next_wake();
        let (name, floor) = (profile_name(session, profile), Floor::CONTAINER);
        let broker = &self.run.broker;
        let answer = broker.fetch_within(&name, floor, SDK_TIMEOUT).await.ok();
        if self.run.life.is_dead() {
            return false;
        }
        if let Some(credentials) = &answer {
            self.record_served(session, profile, credentials);
        }
        self.check_promises();
        answer.is_some()
    }

    /// Sends `count` simultaneous requests for the same credentials, as several SDKs do.
    pub(crate) async fn request_concurrently(&mut self, session: usize, profile: usize, count: usize) {
        self.time.excuse_next_wake();
        let requests: Vec<_> = (0..count)
            .map(|_| {
                let (broker, name) = (self.run.broker.clone(), profile_name(session, profile));
                tokio::spawn(
                    async move { broker.fetch_within(&name, Floor::CONTAINER, SDK_TIMEOUT).await.ok() },
                )
            })
            .collect();
        for request in requests {
            if let Some(credentials) = request.await.unwrap().filter(|_| !self.run.life.is_dead()) {
                self.record_served(session, profile, &credentials);
            }
        }
        self.check_promises();
    }
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
