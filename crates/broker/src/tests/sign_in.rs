//! Sign-ins and sign-outs, and sessions that AWS ends.

use std::collections::BTreeMap;

use ssod_model::{CredentialSource, Floor, ProfileName, Refusal, SecretStore, SignInFlow};

use super::{HOUR, MINUTE, World, admin, session, settle};
use crate::SessionState;

#[tokio::test]
async fn credentials_of_a_session_that_aws_ended_are_served_until_they_expire() {
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
    assert_eq!(world.aws.calls(), calls, "a session that has ended causes no calls");
}

#[tokio::test]
async fn a_logout_during_a_fetch_wins() {
    let world = World::new();
    world.sign_in("alice").await;
    world.aws.hold_answers();
    let broker = world.broker.clone();
    let caller = tokio::spawn(async move { broker.fetch(&admin(), Floor::CONTAINER).await });
    settle().await;
    let logout = world.broker.logout(&session().name).await.unwrap();
    assert!(logout.was_signed_in && logout.not_told.is_none());
    world.aws.release_answers();
    assert!(matches!(caller.await.unwrap().unwrap_err(), Refusal::LoginRequired { .. }));
    assert!(world.broker.held(&admin()).is_none(), "a result that arrives too late is dropped");
    assert!(world.store.load_sessions().unwrap().is_empty());
}

#[tokio::test]
async fn a_sign_in_of_another_user_drops_the_credentials_of_the_previous_user() {
    let world = World::new();
    world.sign_in("alice").await;
    let read_only = ProfileName::parse("readOnlyUser").unwrap();
    let of_alice = world.broker.fetch(&read_only, Floor::CONTAINER).await.unwrap();
    assert!(of_alice.access_key_id.contains("alice"));
    world.sign_in("bob").await;
    assert!(world.broker.held(&read_only).is_none());
    assert!(world.broker.fetch(&read_only, Floor::CONTAINER).await.unwrap().access_key_id.contains("bob"));
}

#[tokio::test]
async fn a_logout_covers_sessions_that_are_not_configured() {
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
async fn a_logout_on_a_full_disk_still_ends_the_session_at_aws_and_serves_nothing() {
    let world = World::new();
    world.sign_in("alice").await;
    world.fetch().await.unwrap();
    world.broker.finish().await;
    world.store.set_failing(true);
    world.broker.logout(&session().name).await.unwrap_err();
    let again = World::start(&world.aws, &world.store, &world.clock);
    assert!(again.held(&admin()).is_none(), "credentials without the record of their session are void");
    assert!(world.broker.held(&admin()).is_none());
}

#[tokio::test]
async fn a_logout_during_a_sign_in_leaves_disk_and_memory_consistent() {
    let world = World::new();
    let signing = world.broker.begin_sign_in(&session().name).unwrap();
    let client = signing.client(SignInFlow::DeviceCode).await.unwrap();
    let tokens = world.aws.sign_in("alice", &client);
    let (broker, name) = (world.broker.clone(), session().name);
    let (completed, out) = tokio::join!(signing.complete(tokens, None), broker.logout(&name));
    out.unwrap();
    let stored = world.store.load_sessions().unwrap();
    let on_disk = stored.first().is_some_and(|record| record.tokens.is_some());
    let in_memory = world.state() == SessionState::Active;
    assert_eq!(on_disk, in_memory, "{completed:?}");
}

#[tokio::test]
async fn a_sign_in_of_another_user_removes_the_previous_credentials_from_the_disk() {
    let world = World::new();
    world.sign_in("alice").await;
    world.fetch().await.unwrap();
    world.broker.write_credentials().await;
    assert_eq!(world.store.load_credentials().unwrap().len(), 1);
    world.sign_in("bob").await;
    // A crash at this point would leave the same.
    assert_eq!(world.store.load_credentials().unwrap(), []);
}
