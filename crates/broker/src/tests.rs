//! The broker against a simulated Identity Center, on a manual clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ssod_fake_identity_center::Lifetimes;
use ssod_model::{
    AccountId, Cached, CredentialSource, Endpoints, Floor, Profile, ProfileName, Refusal, Region, RoleName,
    SecretStore, SessionName, SignInFlow, SsoSession, StartUrl, TimestampExt,
};
use ssod_testkit::{ManualClock, MemoryStore, SimulatedIdentityCenter};

use crate::{Broker, KeepFresh, Policy, SealReason, SessionState, SignInError, TroubleStatus};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

struct World {
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
    }
}

fn admin() -> ProfileName {
    ProfileName::parse("adminUser").unwrap()
}

impl World {
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
        signing.complete(self.aws.tokens(user, &client), None).await.unwrap();
    }

    async fn fetch(&self) -> Result<String, Refusal> {
        let fetched = self.broker.fetch(&admin(), Floor::CONTAINER).await?;
        Ok(fetched.access_key_id.clone())
    }

    /// What the timer does as time goes by, in steps of ten seconds; counts how often it had to act.
    async fn live(&self, how_long: Duration) -> usize {
        let end = self.clock.now().plus(how_long);
        let mut acted = 0;
        while self.clock.now() < end {
            self.clock.advance(Duration::from_secs(10));
            while self.broker.renew_due().started > 0 {
                acted += 1;
                assert!(acted < 100_000, "the timer never rests");
                settle().await;
            }
            self.assert_deadlines();
        }
        acted
    }

    /// The queue of deadlines agrees with the decision for each profile.
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

    fn state(&self) -> SessionState {
        self.broker.status().sessions[0].state.clone()
    }
}

/// Lets tasks and the blocking pool run: nothing here waits for anything else.
async fn settle() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

#[tokio::test]
async fn a_thousand_callers_share_one_fetch() {
    let world = World::new();
    world.sign_in("alice").await;
    let before = world.aws.calls();
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let broker = world.broker.clone();
            tokio::spawn(async move {
                broker.fetch(&admin(), Floor::CONTAINER).await.unwrap().access_key_id.clone()
            })
        })
        .collect();
    let mut keys = Vec::new();
    for caller in callers {
        keys.push(caller.await.unwrap());
    }
    keys.dedup();
    assert_eq!((keys.len(), world.aws.calls() - before), (1, 1));
}

#[tokio::test]
async fn a_day_passes_without_anybody_noticing() {
    let world = World::new();
    world.sign_in("alice").await;
    for _ in 0..24 * 12 {
        world.live(5 * MINUTE).await;
        match world.broker.cached(&admin(), Floor::IMDS) {
            Cached::Ready(held) => assert!(held.remaining(world.clock.now()) >= Floor::IMDS.0),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.state(), SessionState::Active);
}

#[tokio::test]
async fn an_outage_takes_nothing_away_and_ends_by_itself() {
    let world = World::new();
    world.sign_in("alice").await;
    let key = world.fetch().await.unwrap();
    world.aws.away(true);
    let acted = world.live(55 * MINUTE).await;
    assert!(acted < 200, "{acted} wakeups in an outage of an hour");
    assert_eq!(world.fetch().await.unwrap(), key, "good credentials outlive the outage");
    world.live(10 * MINUTE).await;
    let refusal = world.fetch().await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Unavailable { .. }), "{refusal}");
    world.aws.away(false);
    world.live(6 * MINUTE).await;
    assert_ne!(world.fetch().await.unwrap(), key);
    assert_eq!(world.state(), SessionState::Active);
}

#[tokio::test]
async fn a_session_that_aws_ended_is_expired_once_and_served_to_the_end() {
    let world = World::new();
    world.sign_in("alice").await;
    let key = world.fetch().await.unwrap();
    world.aws.center().end_sessions(None);
    world.live(45 * MINUTE).await;
    assert!(matches!(world.state(), SessionState::Expired { .. }), "{:?}", world.state());
    assert_eq!(world.fetch().await.unwrap(), key);
    let calls = world.aws.calls();
    world.live(3 * HOUR).await;
    assert!(matches!(world.fetch().await.unwrap_err(), Refusal::LoginRequired { .. }));
    assert_eq!(world.aws.calls(), calls, "a dead session is left alone");
}

#[tokio::test]
async fn a_role_that_is_not_assigned_is_asked_for_rarely_and_cleared_by_a_sign_in() {
    let world = World::new();
    world.sign_in("bob").await;
    assert!(matches!(world.fetch().await.unwrap_err(), Refusal::NoAccess { .. }));
    let calls = world.aws.calls();
    for _ in 0..100 {
        assert!(matches!(world.fetch().await.unwrap_err(), Refusal::NoAccess { .. }));
    }
    assert_eq!(world.aws.calls(), calls);
    assert_eq!(world.broker.status().profiles[0].trouble, Some(TroubleStatus::NoAccess));
    // The timer fetches the other role once, and asks for this one again after five minutes at the earliest.
    world.live(MINUTE).await;
    assert_eq!(world.aws.calls(), calls + 1);
    world.live(3 * MINUTE).await;
    assert_eq!(world.aws.calls(), calls + 1);
    world.live(2 * MINUTE).await;
    assert_eq!(world.aws.calls(), calls + 2);
    world.sign_in("alice").await;
    assert!(world.fetch().await.unwrap().contains("alice"));
}

#[tokio::test]
async fn a_logout_during_a_fetch_wins() {
    let world = World::new();
    world.sign_in("alice").await;
    world.aws.close_gate();
    let broker = world.broker.clone();
    let caller = tokio::spawn(async move { broker.fetch(&admin(), Floor::CONTAINER).await });
    settle().await;
    let logout = world.broker.logout(&session().name).await.unwrap();
    assert!(logout.was_signed_in && logout.not_told.is_none());
    world.aws.open_gate();
    assert!(matches!(caller.await.unwrap().unwrap_err(), Refusal::LoginRequired { .. }));
    assert!(world.broker.held(&admin()).is_none(), "what came too late is dropped");
    assert!(world.store.load_sessions().unwrap().is_empty());
}

#[tokio::test]
async fn another_person_never_gets_the_credentials_of_the_one_before() {
    let world = World::new();
    world.sign_in("alice").await;
    let read_only = ProfileName::parse("readOnlyUser").unwrap();
    let alices = world.broker.fetch(&read_only, Floor::CONTAINER).await.unwrap();
    assert!(alices.access_key_id.contains("alice"));
    world.sign_in("bob").await;
    assert!(world.broker.held(&read_only).is_none());
    assert!(world.broker.fetch(&read_only, Floor::CONTAINER).await.unwrap().access_key_id.contains("bob"));
}

#[tokio::test]
async fn renewed_tokens_are_used_even_when_the_disk_is_full_and_saved_when_it_is_not() {
    let world = World::new();
    world.sign_in("alice").await;
    let saved = || world.store.load_sessions().unwrap()[0].tokens.clone().unwrap();
    let first = saved();
    world.store.fail(true);
    world.live(2 * HOUR).await;
    assert_eq!(
        world.state(),
        SessionState::Active,
        "a single-use refresh token was spent, so the new one must be used"
    );
    assert!(saved() == first);
    world.store.fail(false);
    world.live(2 * MINUTE).await;
    assert!(saved() != first);
    let again = World::start(&world.aws, &world.store, &world.clock);
    assert!(again.fetch(&admin(), Floor::CONTAINER).await.is_ok(), "a restart goes on with what was saved");
}

#[tokio::test]
async fn what_was_held_is_served_at_once_after_a_restart_offline() {
    let world = World::new();
    world.sign_in("alice").await;
    let key = world.fetch().await.unwrap();
    world.broker.finish().await;
    world.aws.away(true);
    let again = World::start(&world.aws, &world.store, &world.clock);
    match again.cached(&admin(), Floor::CONTAINER) {
        Cached::Ready(held) => assert_eq!(held.access_key_id, key),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_clock_that_jumps_serves_nothing_expired() {
    let world = World::new();
    world.sign_in("alice").await;
    let key = world.fetch().await.unwrap();
    world.clock.advance(2 * HOUR);
    assert!(world.broker.held(&admin()).is_none());
    assert_ne!(world.fetch().await.unwrap(), key);
    world.clock.step_back(HOUR);
    assert!(world.fetch().await.is_ok());
}

#[tokio::test]
async fn a_wait_that_a_wrong_clock_set_ends_when_the_clock_is_set_right() {
    let world = World::new();
    world.sign_in("alice").await;
    world.clock.advance(3 * HOUR);
    world.aws.away(true);
    assert!(world.fetch().await.is_err());
    world.aws.away(false);
    world.clock.step_back(2 * HOUR);
    world.live(MINUTE).await;
    assert!(world.fetch().await.is_ok());
}

#[tokio::test]
async fn a_clock_far_ahead_causes_no_storm() {
    let world = World::new();
    world.sign_in("alice").await;
    world.aws.center().lifetimes.role = Duration::ZERO;
    let before = world.aws.calls();
    world.live(HOUR).await;
    assert!(world.aws.calls() - before < 60, "{} calls", world.aws.calls() - before);
    assert!(world.fetch().await.unwrap_err().to_string().contains("clock"));
}

#[tokio::test]
async fn a_configuration_that_changes_in_the_middle_loses_no_sign_in() {
    let world = World::new();
    world.sign_in("alice").await;
    for round in 0..20 {
        world.clock.advance(45 * MINUTE);
        world.broker.renew_due();
        // The file is saved in two steps, and says something harmless that is new.
        world.broker.configure(&BTreeMap::new(), &BTreeMap::new());
        let mut changed = session();
        changed.endpoints.fips = round % 2 == 0;
        let admin = profile("adminUser", "AdminRole");
        world.broker.configure(
            &BTreeMap::from([(changed.name.clone(), changed)]),
            &BTreeMap::from([(admin.name.clone(), admin)]),
        );
        world.live(MINUTE).await;
        assert_eq!(world.state(), SessionState::Active, "round {round}");
    }
    assert!(world.fetch().await.is_ok());
}

#[tokio::test]
async fn a_logout_reaches_what_is_not_in_the_file_at_that_moment() {
    let world = World::new();
    world.sign_in("alice").await;
    world.fetch().await.unwrap();
    world.broker.configure(&BTreeMap::new(), &BTreeMap::new());
    for name in world.broker.known_sessions() {
        world.broker.logout(&name).await.unwrap();
    }
    let again = World::start(&world.aws, &world.store, &world.clock);
    assert!(again.held(&admin()).is_none());
    assert!(matches!(
        again.fetch(&admin(), Floor::CONTAINER).await.unwrap_err(),
        Refusal::LoginRequired { .. }
    ));
}

#[tokio::test]
async fn a_logout_on_a_full_disk_still_tells_aws_and_leaves_nothing_to_serve() {
    let world = World::new();
    world.sign_in("alice").await;
    world.fetch().await.unwrap();
    world.broker.finish().await;
    world.store.fail(true);
    world.broker.logout(&session().name).await.unwrap_err();
    let again = World::start(&world.aws, &world.store, &world.clock);
    assert!(again.held(&admin()).is_none(), "credentials without their session's record are void");
    assert!(world.broker.held(&admin()).is_none());
}

#[tokio::test]
async fn a_logout_in_the_middle_of_a_sign_in_wins_on_disk_and_in_memory() {
    let world = World::new();
    let signing = world.broker.begin_sign_in(&session().name).unwrap();
    let client = signing.client(SignInFlow::DeviceCode).await.unwrap();
    let tokens = world.aws.tokens("alice", &client);
    let (broker, name) = (world.broker.clone(), session().name);
    let (completed, out) = tokio::join!(signing.complete(tokens, None), broker.logout(&name));
    out.unwrap();
    let remembered = world.store.load_sessions().unwrap();
    let on_disk = remembered.first().is_some_and(|record| record.tokens.is_some());
    let in_memory = world.state() == SessionState::Active;
    assert_eq!(on_disk, in_memory, "{completed:?}");
}

#[tokio::test]
async fn another_network_ends_the_wait_for_an_answer_and_no_other() {
    let world = World::new();
    world.sign_in("bob").await;
    world.aws.away(true);
    let read_only = ProfileName::parse("readOnlyUser").unwrap();
    world.live(3 * MINUTE).await;
    let retries = || {
        let status = world.broker.status();
        status.profiles.into_iter().find(|profile| profile.name == read_only).unwrap().next_renewal.unwrap()
    };
    world.clock.step_back(Duration::from_secs(1));
    assert!(matches!(
        world.broker.fetch(&read_only, Floor::CONTAINER).await,
        Err(Refusal::Unavailable { .. })
    ));
    let before = world.aws.calls();
    world.aws.away(false);
    world.broker.try_again();
    assert!(retries() <= world.clock.now().plus(Duration::from_secs(2)), "{}", retries());
    world.live(Duration::from_secs(10)).await;
    assert!(world.broker.held(&read_only).is_some() && world.aws.calls() > before);
    // bob may not have the other role; no network changes that.
    let refused = world.aws.calls();
    world.broker.try_again();
    world.live(MINUTE).await;
    assert_eq!(world.aws.calls(), refused);
}

fn locked() -> SealReason {
    SealReason { reason: "ssod is locked.".to_owned(), remedy: "Run: ssod unlock".to_owned() }
}

impl World {
    /// Whether any token or any credentials are in memory.
    fn holds_secrets(&self) -> bool {
        let state = self.broker.state();
        state.sessions().any(|(_, session)| session.record().is_some())
            || state.profiles().any(|(_, profile)| profile.holds_credentials())
    }
}

#[tokio::test]
async fn a_lock_forgets_every_secret_and_an_unlock_finds_them_again() {
    let world = World::new();
    world.sign_in("alice").await;
    let key = world.fetch().await.unwrap();
    assert!(world.holds_secrets());
    world.broker.seal(locked()).await;
    assert!(!world.holds_secrets());
    assert!(matches!(world.fetch().await, Err(Refusal::Locked { .. })));
    assert!(world.broker.held(&admin()).is_none() && world.broker.closed().is_some());
    assert_eq!(world.state(), SessionState::Locked);
    assert!(matches!(world.broker.begin_sign_in(&session().name), Err(SignInError::NotOpen(_))));
    let calls = world.aws.calls();
    assert_eq!(world.live(10 * MINUTE).await, 0, "a locked daemon does nothing");
    // A stop while it is locked must not save that there is nothing.
    world.broker.finish().await;
    assert_eq!(world.aws.calls(), calls);

    let again = World::start(&world.aws, &world.store, &world.clock);
    let fetched = again.fetch(&admin(), Floor::CONTAINER).await.unwrap();
    assert_eq!((fetched.access_key_id.as_str(), world.aws.calls()), (key.as_str(), calls));
}

#[tokio::test]
async fn a_lock_waits_for_the_renewal_that_carries_the_only_refresh_token() {
    let world = World::new();
    world.sign_in("alice").await;
    world.clock.advance(55 * MINUTE);
    world.aws.close_gate();
    world.broker.renew_due();
    settle().await;
    let locking = tokio::spawn({
        let broker = world.broker.clone();
        async move { broker.seal(locked()).await }
    });
    settle().await;
    assert!(!locking.is_finished());
    assert!(matches!(world.fetch().await, Err(Refusal::Locked { .. })), "handing out stops at once");
    world.aws.open_gate();
    locking.await.unwrap();
    assert!(!world.holds_secrets());
    world.broker.open().unwrap();
    world.clock.advance(2 * HOUR);
    world.fetch().await.expect("the renewed tokens were saved");
    assert_eq!(world.state(), SessionState::Active);
}

#[tokio::test]
async fn a_lock_tells_which_sign_in_it_had_to_lose() {
    let world = World::new();
    world.sign_in("alice").await;
    world.clock.advance(55 * MINUTE);
    world.store.fail(true);
    world.broker.renew_due();
    settle().await;
    assert!(world.broker.is_busy(), "the renewed sign-in is in memory only");
    assert_eq!(world.broker.seal(locked()).await, [session().name]);
}

#[tokio::test]
async fn after_an_unlock_a_session_that_moved_meanwhile_serves_nothing_of_before() {
    let world = World::new();
    world.sign_in("alice").await;
    world.fetch().await.unwrap();
    world.broker.seal(locked()).await;
    let moved = SsoSession { region: Region::parse("eu-west-1").unwrap(), ..session() };
    let profiles = BTreeMap::from([(admin(), profile("adminUser", "AdminRole"))]);
    world.broker.configure(&BTreeMap::from([(moved.name.clone(), moved)]), &profiles);
    world.broker.open().unwrap();
    assert!(matches!(world.fetch().await, Err(Refusal::LoginRequired { .. })));
}

#[tokio::test]
async fn another_persons_sign_in_leaves_nothing_of_the_one_before_on_the_disk() {
    let world = World::new();
    world.sign_in("alice").await;
    world.fetch().await.unwrap();
    world.broker.write_credentials().await;
    assert_eq!(world.store.load_credentials().unwrap().len(), 1);
    world.sign_in("bob").await;
    // As after a crash at this moment.
    assert_eq!(world.store.load_credentials().unwrap(), []);
}
