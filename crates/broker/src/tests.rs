//! The broker against a simulated Identity Center, on a manual clock.

mod clock;
mod destinations;
mod foreign_answers;
mod renewal;
mod sealing;
mod sign_in;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ssod_fake_identity_center::Lifetimes;
use ssod_model::{
    AccountId, CredentialSource, Endpoints, Floor, Profile, ProfileName, Refusal, Region, RoleName,
    SessionName, SignInFlow, SsoSession, StartUrl, TimestampExt,
};
use ssod_testkit::{ManualClock, MemoryStore, SimulatedIdentityCenter};

use crate::{Broker, KeepFresh, Policy, SignInState};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// A broker, with everything that it depends on.
struct TestBroker {
    clock: ManualClock,
    aws: SimulatedIdentityCenter,
    store: Arc<MemoryStore>,
    broker: Broker<SimulatedIdentityCenter, MemoryStore>,
}

fn session() -> SsoSession {
    SsoSession {
        name: SessionName::parse("work").unwrap(),
        start_url: StartUrl::parse("https://x.awsapps.com/start").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
        scopes: vec!["sso:account:access".to_owned()],
        endpoints: Endpoints::default(),
    }
}

fn profile(name: &str, role: &str) -> Profile {
    Profile {
        name: ProfileName::parse(name).unwrap(),
        session: session().name,
        account_id: AccountId::parse("123456789012").unwrap(),
        role_name: RoleName::parse(role).unwrap(),
        region: None,
        aws_form: false,
        endpoints: None,
    }
}

fn admin() -> ProfileName {
    ProfileName::parse("adminUser").unwrap()
}

impl TestBroker {
    fn new() -> Self {
        let clock = ManualClock::at(1_800_000_000);
        let lifetimes = Lifetimes { portal_session: 100 * HOUR, ..Lifetimes::default() };
        let aws = SimulatedIdentityCenter::new(clock.clone(), lifetimes);
        let store = Arc::new(MemoryStore::default());
        let broker = Self::start(&aws, &store, &clock);
        Self { clock, aws, store, broker }
    }

    fn start(
        aws: &SimulatedIdentityCenter,
        store: &Arc<MemoryStore>,
        clock: &ManualClock,
    ) -> Broker<SimulatedIdentityCenter, MemoryStore> {
        let policy = Policy { keep_fresh: KeepFresh::All, portal_rate: 100_000.0, ..Policy::default() };
        let broker = Broker::new(aws.clone(), store.clone(), clock.clone().into(), policy);
        broker.open().unwrap();
        let profiles = [profile("adminUser", "AdminRole"), profile("readOnlyUser", "ReadOnlyRole")];
        let profiles = profiles.map(|profile| (profile.name.clone(), profile));
        broker.configure(&BTreeMap::from([(session().name, session())]), &BTreeMap::from(profiles));
        broker
    }

    async fn sign_in(&self, user: &str) {
        let signing = self.broker.begin_sign_in(&session().name).unwrap();
        let client = signing.client(SignInFlow::DeviceCode).await.unwrap();
        signing.complete(self.aws.sign_in(user, &client), None).await.unwrap();
    }

    async fn fetch(&self) -> Result<String, Refusal> {
        let fetched = self.broker.fetch(&admin(), Floor::CONTAINER).await?;
        Ok(fetched.access_key_id.clone())
    }

    /// Runs the timer while time passes in steps of ten seconds. Returns the number of ticks that started work.
    async fn run_for(&self, duration: Duration) -> usize {
        self.run_in_steps(duration, Duration::from_secs(10)).await
    }

    /// Runs the timer while time passes in steps of the given length. Returns the number of ticks that started work.
    async fn run_in_steps(&self, duration: Duration, step: Duration) -> usize {
        let end = self.clock.now().plus(duration);
        let mut busy_ticks = 0;
        while self.clock.now() < end {
            self.clock.advance(step);
            while self.broker.renew_due().started > 0 {
                busy_ticks += 1;
                assert!(busy_ticks < 100_000, "the timer never stops");
                settle().await;
            }
            self.assert_deadlines();
        }
        busy_ticks
    }

    /// Checks that the queue of deadlines agrees with the decision for each profile.
    fn assert_deadlines(&self) {
        let (now, policy) = (self.clock.now(), self.broker.policy());
        let mut state = self.broker.state();
        if !state.accepts_work() {
            return;
        }
        state.reschedule_dirty(now, &policy);
        for (name, _) in state.profiles() {
            let (scheduled, decided) = state.profile_deadlines(name, now, &policy);
            assert_eq!(scheduled, decided, "{name}");
        }
    }

    fn state(&self) -> SignInState {
        self.broker.status().sessions[0].state.clone()
    }
}

/// Lets tasks and the blocking pool run until they have nothing to do.
async fn settle() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}
