//! The laptop: the present run of the engine, its users, and the promises to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ssod_broker::{Broker, Event, SignInState};
use ssod_fake_identity_center::Assignment;
use ssod_model::{
    CredentialSource, Floor, IdentityProvider, RoleCredentials, SessionName, SignInFlow, TimestampExt,
};
use tokio::sync::broadcast;
use tokio::sync::oneshot;

use crate::cloud::{Cloud, Link, Network};
use crate::disk::{Disk, Store};
use crate::ledger::{Entries, Ledger};
use crate::life::Life;
use crate::setup::{ACCOUNT, Setup, profile_name, profiles, role, session_name, sessions, user, world};
use crate::time::{LocalClock, Time};

/// How long an SDK waits at the container endpoint.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long a user waits for a sign-in or a sign-out.
const USER_PATIENCE: Duration = Duration::from_mins(2);
/// After this time without faults no effect of a fault may remain: the longest back-off, and the work that follows it.
const CALM: Duration = Duration::from_mins(7);
/// Wakes without work that are allowed in a run: a token that expires in the second of a deadline causes one.
const IDLE_WAKES: u64 = 2;
/// A clock error that does not matter.
const TOLERATED_LAG: Duration = Duration::from_mins(2);
/// AWS does not announce that it ended a session. The engine learns it from a renewal, after half an hour at the latest.
const LEARNS_OF_END: Duration = Duration::from_mins(40);

type Engine = Broker<Link, Store>;

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
    /// The sessions that the user believes to be signed in.
    expected: BTreeSet<SessionName>,
    /// The sessions that AWS ended and the engine still shows as active, with the time when this was first seen.
    ended_at: BTreeMap<SessionName, Duration>,
    /// When the last fault ended.
    calm_since: Duration,
    /// Sign-ins by the user.
    pub(crate) sign_ins: usize,
    /// Notices that a session had ended.
    pub(crate) notices: usize,
    /// Requests that were answered with credentials.
    pub(crate) served: usize,
    /// The shortest remaining lifetime of credentials that were served without faults.
    pub(crate) shortest: Duration,
    /// Tasks of killed runs: they never end, and are not leaks.
    dead_tasks: usize,
}

impl Laptop {
    /// Creates a laptop on which no user has signed in. The first run dies at that step, if one is given.
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
            expected: BTreeSet::new(),
            ended_at: BTreeMap::new(),
            calm_since: Duration::ZERO,
            sign_ins: 0,
            notices: 0,
            served: 0,
            shortest: Duration::MAX,
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
            Broker::new(cloud.link(&clock, &life), store, clock.clone().into(), setup.policy.clone());
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
    pub(crate) fn network(&self) -> std::sync::MutexGuard<'_, Network> {
        self.cloud.network()
    }

    /// Returns the clocks.
    pub(crate) fn time(&self) -> &Time {
        &self.time
    }

    /// Returns the number of steps of the present run so far.
    pub(crate) fn steps(&self) -> u64 {
        self.run.life.steps()
    }

    /// Records a fault from which the engine needs time to recover.
    pub(crate) fn disturb(&mut self) {
        self.calm_since = self.time.elapsed();
    }

    /// Lets time pass.
    pub(crate) async fn wait(&mut self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Suspends the laptop for that long.
    pub(crate) fn suspend(&mut self, duration: Duration) {
        self.time.suspend(duration);
        self.disturb();
    }

    /// Kills the present run as `kill -9` does.
    pub(crate) fn kill(&self) {
        self.run.life.kill();
    }

    /// Starts a new run; the present one is dead, or is stopped first. The new one dies at that step, if one is given.
    pub(crate) async fn restart(&mut self, dies_at: Option<u64>) {
        if self.run.life.is_dead() {
            self.dead_tasks += alive_tasks();
        } else {
            // A stop has a time limit.
            let _ = tokio::time::timeout(Duration::from_secs(20), self.run.broker.finish()).await;
            self.run.life.kill();
        }
        self.run = Self::start(&self.setup, &self.time, &self.cloud, &self.disk, &self.ledger, dies_at);
        self.disturb();
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
        self.disturb();
    }

    /// Limits the portal to that many calls a second, and makes it refuse that share of all calls.
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

    /// Lists accounts, a call that waits for the limiter like any SDK's, and returns how long it took.
    pub(crate) async fn time_a_list(&self) -> Duration {
        let start = self.time.elapsed();
        let (name, broker) = (session_name(0), &self.run.broker);
        let session = broker.session(&name).unwrap();
        let list = broker.portal(&name, |token| {
            let session = session.clone();
            async move { broker.provider().list_accounts(&session, &token).await }
        });
        // A refusal is also an answer.
        let _ = list.await;
        self.time.elapsed().saturating_sub(start)
    }

    /// Tells the engine that the network changed.
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
        self.disturb();
    }

    /// Assigns a role to the user or removes it, as an administrator does.
    pub(crate) fn assign(&mut self, session: usize, profile: usize, assigned: bool) {
        let (user, role) = (user(session), role(profile));
        let mut center = self.cloud.center();
        center.remove_assignment(&user, ACCOUNT, &role);
        if assigned {
            center.add_assignment(&user, ACCOUNT, &role);
        }
        drop(center);
        self.disturb();
    }

    /// Signs in to every session that needs it.
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
        self.ledger.forget(&name);
        let (broker, user) = (self.run.broker.clone(), user(index));
        let signing = async {
            let signing = broker.begin_sign_in(&name).ok()?;
            let client = signing.client(SignInFlow::DeviceCode).await.ok()?;
            let tokens = broker.provider().tokens(&user, &client);
            signing.complete(tokens, None).await.ok()
        };
        let signed_in = tokio::time::timeout(USER_PATIENCE, signing).await.ok().flatten().is_some();
        if signed_in && !self.run.life.is_dead() {
            self.sign_ins += 1;
            self.expected.insert(name);
        }
        self.disturb();
    }

    /// Signs the user out.
    pub(crate) async fn sign_out(&mut self, index: usize) {
        let name = session_name(index);
        // Even if it fails on a full disk, the tokens are no longer in memory.
        let _ = tokio::time::timeout(USER_PATIENCE, self.run.broker.logout(&name)).await;
        self.expected.remove(&name);
        self.disturb();
    }

    /// Signs in to that session if it needs it.
    pub(crate) async fn sign_in_to(&mut self, index: usize) {
        if !self.is_signed_in(index) {
            self.sign_in(index).await;
        }
    }

    /// Returns whether the user believes to be signed in to that session.
    pub(crate) fn is_signed_in(&self, index: usize) -> bool {
        self.expected.contains(&session_name(index))
    }

    /// Requests credentials as an SDK does at the endpoint, and returns whether it got some.
    pub(crate) async fn request(&mut self, session: usize, profile: usize) -> bool {
        self.time.excuse_next_wake();
        let (name, floor) = (profile_name(session, profile), Floor::CONTAINER);
        let broker = &self.run.broker;
        let answer = broker.fetch_within(&name, floor, PATIENCE).await.ok();
        if self.run.life.is_dead() {
            return false;
        }
        if let Some(credentials) = &answer {
            self.was_served(session, profile, credentials);
        }
        self.check_promises();
        answer.is_some()
    }

    /// Requests the same credentials from that many SDKs at once.
    pub(crate) async fn request_concurrently(&mut self, session: usize, profile: usize, count: usize) {
        self.time.excuse_next_wake();
        let requests: Vec<_> = (0..count)
            .map(|_| {
                let (broker, name) = (self.run.broker.clone(), profile_name(session, profile));
                tokio::spawn(async move { broker.fetch_within(&name, Floor::CONTAINER, PATIENCE).await.ok() })
            })
            .collect();
        for request in requests {
            if let Some(credentials) = request.await.unwrap().filter(|_| !self.run.life.is_dead()) {
                self.was_served(session, profile, &credentials);
            }
        }
        self.check_promises();
    }

    /// Returns whether this run's clock is right. Until AWS has told this run the time, it only has the wall clock.
    fn knows_the_time(&self) -> bool {
        self.run.clock.may_lag() < TOLERATED_LAG
    }

    /// Returns whether the user is signed in, here and at AWS, and has that role.
    fn can_renew(&self, session: usize, profile: usize) -> bool {
        let center = self.cloud.center();
        let is_assigned = |one: &Assignment| one.user == user(session) && one.role == role(profile);
        self.expected.contains(&session_name(session))
            && center.is_signed_in(self.time.truth(), &user(session))
            && center.world().assignments.iter().any(is_assigned)
    }

    fn was_served(&mut self, session: usize, profile: usize, credentials: &RoleCredentials) {
        let name = profile_name(session, profile);
        self.served += 1;
        let left = credentials.expiration.since_or_zero(self.time.truth());
        if left.is_zero() && credentials.expiration.plus(self.run.clock.may_lag()) <= self.time.truth() {
            self.broken(&format!("{name} was served although it expired at {}", credentials.expiration));
        }
        if self.is_calm() && self.knows_the_time() && self.can_renew(session, profile) {
            self.shortest = self.shortest.min(left);
            if left < Floor::CONTAINER.0 {
                self.broken(&format!("{name} was served with {left:?} left although AWS answers"));
            }
        }
    }

    /// Returns whether the last fault is long enough ago.
    pub(crate) fn is_calm(&self) -> bool {
        self.calm_for() > CALM
    }

    fn calm_for(&self) -> Duration {
        self.time.elapsed().saturating_sub(self.calm_since)
    }

    fn broken(&self, what: &str) {
        self.time.trace(|| format!("BROKEN: {what}; {}", self.run.clock.describe()));
        self.ledger.broken(self.time.elapsed(), what);
    }

    /// Checks the promises that hold at any time.
    pub(crate) fn check_promises(&mut self) {
        while let Ok(event) = self.run.events.try_recv() {
            if matches!(event, Event::Ended { .. }) {
                self.notices += 1;
            }
        }
        if self.run.life.is_dead() {
            return;
        }
        let now = self.time.truth();
        for status in self.run.broker.status().sessions {
            let index = (0..self.setup.sessions).find(|index| session_name(*index) == status.name).unwrap();
            let is_here = matches!(status.state, SignInState::Active | SignInState::SigningIn);
            let lives = self.cloud.center().is_signed_in(now, &user(index));
            if self.expected.contains(&status.name) && !is_here {
                self.expected.remove(&status.name);
                if lives {
                    self.time.trace(|| format!("{} is lost", status.name));
                    self.ledger.lost(&status.name);
                }
            }
            if lives || !is_here {
                self.ended_at.remove(&status.name);
                continue;
            }
            let ended_at = *self.ended_at.entry(status.name.clone()).or_insert(self.time.elapsed());
            let since = self.time.elapsed().saturating_sub(ended_at).min(self.calm_for());
            if since > LEARNS_OF_END && self.knows_the_time() {
                self.broken(&format!("{} is shown as active although AWS ended it", status.name));
            }
        }
        let idle = self.run.clock.idle_wakes();
        if idle > IDLE_WAKES {
            self.broken(&format!("the engine woke {idle} times without work"));
        }
        let most = self.dead_tasks + 8 + self.setup.sessions * (2 * self.setup.profiles + 3);
        if alive_tasks() > most {
            self.broken(&format!("{} tasks, although {most} are enough", alive_tasks()));
        }
    }

    /// Checks the promise for times without faults: every assigned role has credentials with time left.
    pub(crate) fn check_all_fresh(&self) {
        let (status, now) = (self.run.broker.status(), self.time.truth());
        for profile in status.profiles {
            let left = profile.expiration.map_or(Duration::ZERO, |expiration| expiration.since_or_zero(now));
            if left < Floor::CONTAINER.0 || profile.trouble.is_some() {
                self.broken(&format!("{} has {left:?} left, and {:?}", profile.name, profile.trouble));
            }
        }
    }
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
