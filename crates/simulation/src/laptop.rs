//! The laptop: the engine in its present run, the people who use it, and what they are promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ssod_broker::{Broker, Event, SessionState};
use ssod_fake_identity_center::Assignment;
use ssod_model::{
    CredentialSource, Floor, IdentityProvider, RoleCredentials, SessionName, SignInFlow, TimestampExt,
};
use tokio::sync::broadcast;
use tokio::sync::oneshot;

use crate::cloud::{Cloud, Link, Weather};
use crate::disk::{Disk, Store};
use crate::ledger::{Entries, Ledger};
use crate::life::Life;
use crate::setup::{ACCOUNT, Setup, profile_name, profiles, role, session_name, sessions, user, world};
use crate::time::{LocalClock, Time};

/// An SDK at the container endpoint waits no longer.
const PATIENCE: Duration = Duration::from_millis(800);
/// A person who signs in gives up after this.
const PERSON: Duration = Duration::from_mins(2);
/// So long after the last trouble, nothing of it is left to be seen: the longest back-off, and what is left to do then.
const CALM: Duration = Duration::from_mins(7);
/// Wakes for nothing in a run: a token that ends in the very second of a deadline makes one.
const IDLE_WAKES: u64 = 2;
/// A lag that counts for nothing.
const SHORT: Duration = Duration::from_mins(2);
/// AWS tells nobody that it ended a session; whoever renews credentials learns of it, after half an hour at the latest.
const LEARNS: Duration = Duration::from_mins(40);

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

/// Everything.
pub(crate) struct Laptop {
    setup: Setup,
    time: Time,
    cloud: Cloud,
    disk: Disk,
    ledger: Ledger,
    run: Run,
    /// The sessions that somebody believes to be signed in.
    expected: BTreeSet<SessionName>,
    /// The sessions that AWS ended and that are still shown as active, with when that was first so.
    ended_at: BTreeMap<SessionName, Duration>,
    /// When the last trouble ended.
    calm_since: Duration,
    /// What a person did and was told.
    pub(crate) sign_ins: usize,
    /// Notices that a session had ended.
    pub(crate) notices: usize,
    /// Requests that were answered with credentials.
    pub(crate) served: usize,
    /// The shortest remaining life of credentials that were served in calm.
    pub(crate) shortest: Duration,
    /// Tasks of runs that were killed: they wait for ever, and count for nothing.
    dead_tasks: usize,
}

impl Laptop {
    /// Switched on for the first time; nobody has signed in. The first run dies at that step, or not, where it is 0.
    pub(crate) fn new(setup: Setup, dies_at: u64) -> Self {
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

    fn start(setup: &Setup, time: &Time, cloud: &Cloud, disk: &Disk, ledger: &Ledger, dies_at: u64) -> Run {
        let life = Life::that_dies_at(dies_at);
        let clock = LocalClock::new(time, setup.has_alarm);
        let store = Arc::new(disk.store(&life, ledger));
        ledger.begin_run(setup.policy.portal_rate);
        let broker =
            Broker::new(cloud.link(&clock, &life), store, clock.clone().into(), setup.policy.clone());
        broker.open().unwrap();
        broker.configure(&sessions(setup), &profiles(setup));
        let counted = broker.clone();
        clock.counts(move || counted.busy_ticks());
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

    /// What was counted, and which promises were broken.
    pub(crate) fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.ledger.entries()
    }

    /// How long it is since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.time.elapsed()
    }

    /// The way to AWS, to be made worse or better.
    pub(crate) fn weather(&self) -> std::sync::MutexGuard<'_, Weather> {
        self.cloud.weather()
    }

    /// The world's time.
    pub(crate) fn time(&self) -> &Time {
        &self.time
    }

    /// The steps of the present run so far.
    pub(crate) fn steps(&self) -> u64 {
        self.run.life.steps()
    }

    /// Something that takes its time to be got over begins, or is still there.
    pub(crate) fn disturbed(&mut self) {
        self.calm_since = self.time.elapsed();
    }

    /// Lets time pass, and looks at all promises.
    pub(crate) async fn pass(&mut self, how_long: Duration) {
        tokio::time::sleep(how_long).await;
    }

    /// The lid is closed for so long.
    pub(crate) fn sleep(&mut self, how_long: Duration) {
        self.time.suspend(how_long);
        self.disturbed();
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.run.life.kill();
    }

    /// A new run where the present one is dead, or stopped in order. It dies at that step, or not, where it is 0.
    pub(crate) async fn restart(&mut self, dies_at: u64) {
        if self.run.life.is_dead() {
            self.dead_tasks += alive_tasks();
        } else {
            // A stop in order has its time limit, too.
            let _ = tokio::time::timeout(Duration::from_secs(20), self.run.broker.finish()).await;
            self.run.life.kill();
        }
        self.run = Self::start(&self.setup, &self.time, &self.cloud, &self.disk, &self.ledger, dies_at);
        self.disturbed();
    }

    /// The service manager starts what died.
    pub(crate) async fn restart_where_dead(&mut self) {
        if self.run.life.is_dead() {
            self.restart(0).await;
        }
    }

    /// The disk is full, or has room again.
    pub(crate) fn fill_disk(&mut self, full: bool) {
        self.disk.fill(full);
        self.disturbed();
    }

    /// The portal answers so many calls a second, and refuses that share of all calls besides.
    pub(crate) fn throttle(&self, rate: f64, share: f64) {
        self.cloud.center().throttle(rate, share);
    }

    /// How many profiles have credentials.
    pub(crate) fn held(&self) -> usize {
        let status = self.run.broker.status();
        status.profiles.iter().filter(|profile| profile.expiration.is_some()).count()
    }

    /// The shortest remaining life of any profile's credentials; zero where one has none.
    pub(crate) fn shortest_held(&self) -> Duration {
        let (status, now) = (self.run.broker.status(), self.time.truth());
        let left = |expiration: Option<ssod_model::Timestamp>| {
            expiration.map_or(Duration::ZERO, |expiration| expiration.since_or_zero(now))
        };
        status.profiles.iter().map(|profile| left(profile.expiration)).min().unwrap_or_default()
    }

    /// Somebody lists accounts, which is a call that waits for its turn like any SDK's; gives how long it took.
    pub(crate) async fn wait_for_a_list(&self) -> Duration {
        let begun = self.time.elapsed();
        let (name, broker) = (session_name(0), &self.run.broker);
        let session = broker.session(&name).unwrap();
        let list = broker.portal(&name, |token| {
            let session = session.clone();
            async move { broker.provider().list_accounts(&session, &token).await }
        });
        // A refusal is an answer, too.
        let _ = list.await;
        self.time.elapsed().saturating_sub(begun)
    }

    /// The network is another one.
    pub(crate) fn change_network(&self) {
        self.run.broker.try_again();
    }

    /// The config file loses its profiles, and has them again.
    pub(crate) fn edit_config(&mut self) {
        self.run.broker.configure(&sessions(&self.setup), &BTreeMap::new());
        self.run.broker.configure(&sessions(&self.setup), &profiles(&self.setup));
    }

    /// An administrator ends somebody's sessions.
    pub(crate) fn end_session(&mut self, session: usize) {
        self.cloud.center().end_sessions(Some(&user(session)));
        self.disturbed();
    }

    /// An administrator takes a role away, or gives it back.
    pub(crate) fn assign(&mut self, session: usize, profile: usize, assigned: bool) {
        let (user, role) = (user(session), role(profile));
        let mut center = self.cloud.center();
        center.remove_assignment(&user, ACCOUNT, &role);
        if assigned {
            center.add_assignment(&user, ACCOUNT, &role);
        }
        drop(center);
        self.disturbed();
    }

    /// Somebody signs in wherever that is needed.
    pub(crate) async fn sign_in_where_needed(&mut self) {
        for index in 0..self.setup.sessions {
            self.sign_in_where_needed_for(index).await;
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
        let signed_in = tokio::time::timeout(PERSON, signing).await.ok().flatten().is_some();
        if signed_in && !self.run.life.is_dead() {
            self.sign_ins += 1;
            self.expected.insert(name);
        }
        self.disturbed();
    }

    /// Somebody signs out.
    pub(crate) async fn sign_out(&mut self, index: usize) {
        let name = session_name(index);
        // Where it fails on a full disk, what is in memory is gone all the same.
        let _ = tokio::time::timeout(PERSON, self.run.broker.logout(&name)).await;
        self.expected.remove(&name);
        self.disturbed();
    }

    /// The same for one session.
    pub(crate) async fn sign_in_where_needed_for(&mut self, index: usize) {
        if !self.is_signed_in(index) {
            self.sign_in(index).await;
        }
    }

    /// Whether somebody believes to be signed in there.
    pub(crate) fn is_signed_in(&self, index: usize) -> bool {
        self.expected.contains(&session_name(index))
    }

    /// An SDK asks for credentials, as the endpoint would answer it; tells whether it got some.
    pub(crate) async fn ask(&mut self, session: usize, profile: usize) -> bool {
        self.time.excuse();
        let (name, floor) = (profile_name(session, profile), Floor::CONTAINER);
        let broker = &self.run.broker;
        let answer = broker.fetch_within(&name, floor, PATIENCE).await.ok();
        if self.run.life.is_dead() {
            return false;
        }
        if let Some(credentials) = &answer {
            self.was_served(session, profile, credentials);
        }
        self.look();
        answer.is_some()
    }

    /// So many SDKs ask for the same at one time.
    pub(crate) async fn ask_at_once(&mut self, session: usize, profile: usize, how_many: usize) {
        self.time.excuse();
        let asking: Vec<_> = (0..how_many)
            .map(|_| {
                let (broker, name) = (self.run.broker.clone(), profile_name(session, profile));
                tokio::spawn(async move { broker.fetch_within(&name, Floor::CONTAINER, PATIENCE).await.ok() })
            })
            .collect();
        for asked in asking {
            if let Some(credentials) = asked.await.unwrap().filter(|_| !self.run.life.is_dead()) {
                self.was_served(session, profile, &credentials);
            }
        }
        self.look();
    }

    /// As long as AWS told this run no time, a wrong clock is all that it has.
    fn knows_the_time(&self) -> bool {
        self.run.clock.may_lag() < SHORT
    }

    /// Whether somebody is signed in, here and at AWS, who has that role.
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
            self.broken(&format!("{name} was served though it expired at {}", credentials.expiration));
        }
        if self.is_calm() && self.knows_the_time() && self.can_renew(session, profile) {
            self.shortest = self.shortest.min(left);
            if left < Floor::CONTAINER.0 {
                self.broken(&format!("{name} was served with {left:?} left though AWS answers"));
            }
        }
    }

    /// Whether all trouble is over long enough.
    pub(crate) fn is_calm(&self) -> bool {
        self.calm_for() > CALM
    }

    fn calm_for(&self) -> Duration {
        self.time.elapsed().saturating_sub(self.calm_since)
    }

    fn broken(&self, what: &str) {
        self.time.note(|| format!("BROKEN: {what}; {}", self.run.clock.describe()));
        self.ledger.broken(self.time.elapsed(), what);
    }

    /// Looks at what is promised at any time.
    pub(crate) fn look(&mut self) {
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
            let is_here = matches!(status.state, SessionState::Active | SessionState::SigningIn);
            let lives = self.cloud.center().is_signed_in(now, &user(index));
            if self.expected.contains(&status.name) && !is_here {
                self.expected.remove(&status.name);
                if lives {
                    self.time.note(|| format!("{} is lost", status.name));
                    self.ledger.lost(&status.name);
                }
            }
            if lives || !is_here {
                self.ended_at.remove(&status.name);
                continue;
            }
            let ended_at = *self.ended_at.entry(status.name.clone()).or_insert(self.time.elapsed());
            let since = self.time.elapsed().saturating_sub(ended_at).min(self.calm_for());
            if since > LEARNS && self.knows_the_time() {
                self.broken(&format!("{} is shown as active though AWS ended it", status.name));
            }
        }
        let idle = self.run.clock.idle_wakes();
        if idle > IDLE_WAKES {
            self.broken(&format!("the engine woke {idle} times for nothing"));
        }
        let most = self.dead_tasks + 8 + self.setup.sessions * (2 * self.setup.profiles + 3);
        if alive_tasks() > most {
            self.broken(&format!("{} tasks, though {most} are enough", alive_tasks()));
        }
    }

    /// Looks at what is promised when all is well: every role that is assigned is held, with time left.
    pub(crate) fn look_at_the_calm(&self) {
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
