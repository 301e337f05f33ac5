//! Sign-ins and sign-outs, and sessions that AWS ends.

use std::collections::BTreeMap;

use ssod_model::{CredentialSource, Floor, ProfileName, Refusal, SecretStore, SignInFlow};

use super::{HOUR, MINUTE, TestBroker, admin, session, settle};
use crate::SignInState;

#[tokio::test]
async fn credentials_of_a_session_that_aws_ended_are_served_until_they_expire() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let key = test.fetch().await.unwrap();
    test.aws.center().end_sessions(None);
    test.run_for(45 * MINUTE).await;
    assert!(matches!(test.state(), SignInState::Expired { .. }), "{:?}", test.state());
    assert_eq!(test.fetch().await.unwrap(), key);
    let calls = test.aws.calls();
    test.run_for(3 * HOUR).await;
    assert!(matches!(test.fetch().await.unwrap_err(), Refusal::LoginRequired { .. }));
    assert_eq!(test.aws.calls(), calls, "a session that has ended causes no calls");
}

#[tokio::test]
async fn a_logout_during_a_fetch_discards_the_result() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.aws.hold_answers();
    let broker = test.broker.clone();
    let caller = tokio::spawn(async move { broker.fetch(&admin(), Floor::CONTAINER).await });
    settle().await;
    let logout = test.broker.logout(&session().name).await.unwrap();
    assert!(logout.was_signed_in && logout.not_ended_at_aws.is_none());
    test.aws.release_answers();
    assert!(matches!(caller.await.unwrap().unwrap_err(), Refusal::LoginRequired { .. }));
    assert!(test.broker.held(&admin()).is_none(), "a result that arrives after the logout is discarded");
    assert!(test.store.load_sessions().unwrap().is_empty());
}

#[tokio::test]
async fn a_sign_in_of_another_user_drops_the_credentials_of_the_previous_user() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let read_only = ProfileName::parse("readOnlyUser").unwrap();
    let alice_credentials = test.broker.fetch(&read_only, Floor::CONTAINER).await.unwrap();
    assert!(alice_credentials.access_key_id.contains("alice"));
    test.sign_in("bob").await;
    assert!(test.broker.held(&read_only).is_none());
    assert!(test.broker.fetch(&read_only, Floor::CONTAINER).await.unwrap().access_key_id.contains("bob"));
}

#[tokio::test]
async fn a_logout_covers_sessions_that_are_not_configured() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.fetch().await.unwrap();
    test.broker.configure(&BTreeMap::new(), &BTreeMap::new());
    for name in test.broker.known_sessions() {
        test.broker.logout(&name).await.unwrap();
    }
    let again = TestBroker::start(&test.aws, &test.store, &test.clock);
    assert!(again.held(&admin()).is_none());
    assert!(matches!(
        again.fetch(&admin(), Floor::CONTAINER).await.unwrap_err(),
        Refusal::LoginRequired { .. }
    ));
}

#[tokio::test]
async fn a_logout_on_a_full_disk_still_ends_the_session_at_aws_and_serves_nothing() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.fetch().await.unwrap();
    test.broker.finish().await;
    test.store.set_failing(true);
    test.broker.logout(&session().name).await.unwrap_err();
    let again = TestBroker::start(&test.aws, &test.store, &test.clock);
    assert!(again.held(&admin()).is_none(), "credentials without the record of their session are not loaded");
    assert!(test.broker.held(&admin()).is_none());
}

#[tokio::test]
async fn a_logout_during_a_sign_in_leaves_disk_and_memory_consistent() {
    let test = TestBroker::new();
    let signing = test.broker.begin_sign_in(&session().name).unwrap();
    let client = signing.client(SignInFlow::DeviceCode).await.unwrap();
    let tokens = test.aws.sign_in("alice", &client);
    let (broker, name) = (test.broker.clone(), session().name);
    let (completed, out) = tokio::join!(signing.complete(tokens, None), broker.logout(&name));
    out.unwrap();
    let stored = test.store.load_sessions().unwrap();
    let on_disk = stored.first().is_some_and(|record| record.tokens.is_some());
    let in_memory = test.state() == SignInState::Active;
    assert_eq!(on_disk, in_memory, "{completed:?}");
}

#[tokio::test]
async fn a_sign_in_of_another_user_removes_the_previous_credentials_from_the_disk() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.fetch().await.unwrap();
    test.broker.write_credentials().await;
    assert_eq!(test.store.load_credentials().unwrap().len(), 1);
    test.sign_in("bob").await;
    // A crash at this point would leave the same content on disk.
    assert_eq!(test.store.load_credentials().unwrap(), []);
}
