//! Sealing, and opening again.

use std::collections::BTreeMap;

use ssod_model::{CredentialSource, Floor, Refusal, Region, SsoSession};

use super::{HOUR, MINUTE, World, admin, profile, session, settle};
use crate::{SealReason, SessionState, SignInError};

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
async fn sealing_drops_every_secret_and_opening_loads_them_again() {
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
    assert_eq!(world.live(10 * MINUTE).await, 0, "a sealed broker does nothing");
    // A stop while it is sealed must not replace the stored secrets with nothing.
    world.broker.finish().await;
    assert_eq!(world.aws.calls(), calls);

    let again = World::start(&world.aws, &world.store, &world.clock);
    let fetched = again.fetch(&admin(), Floor::CONTAINER).await.unwrap();
    assert_eq!((fetched.access_key_id.as_str(), world.aws.calls()), (key.as_str(), calls));
}

#[tokio::test]
async fn sealing_waits_for_the_renewal_that_carries_the_only_refresh_token() {
    let world = World::new();
    world.sign_in("alice").await;
    world.clock.advance(55 * MINUTE);
    world.aws.hold_answers();
    world.broker.renew_due();
    settle().await;
    let locking = tokio::spawn({
        let broker = world.broker.clone();
        async move { broker.seal(locked()).await }
    });
    settle().await;
    assert!(!locking.is_finished());
    assert!(matches!(world.fetch().await, Err(Refusal::Locked { .. })), "nothing is served from now on");
    world.aws.release_answers();
    locking.await.unwrap();
    assert!(!world.holds_secrets());
    world.broker.open().unwrap();
    world.clock.advance(2 * HOUR);
    world.fetch().await.expect("the renewed tokens were saved");
    assert_eq!(world.state(), SessionState::Active);
}

#[tokio::test]
async fn sealing_returns_the_sign_ins_that_it_lost() {
    let world = World::new();
    world.sign_in("alice").await;
    world.clock.advance(55 * MINUTE);
    world.store.set_failing(true);
    world.broker.renew_due();
    settle().await;
    assert!(world.broker.is_busy(), "the renewed sign-in is in memory only");
    assert_eq!(world.broker.seal(locked()).await, [session().name]);
}

#[tokio::test]
async fn after_opening_a_session_at_another_location_serves_no_old_credentials() {
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
