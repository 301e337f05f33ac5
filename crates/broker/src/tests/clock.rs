//! Clocks that jump or are wrong.

use std::time::Duration;

use ssod_model::{CredentialSource, Floor};

use super::{HOUR, MINUTE, TestBroker, admin, settle};

#[tokio::test]
async fn after_a_clock_jump_no_expired_credentials_are_served() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let key = test.fetch().await.unwrap();
    test.clock.advance(2 * HOUR);
    assert!(test.broker.held(&admin()).is_none());
    assert_ne!(test.fetch().await.unwrap(), key);
    test.clock.step_back(HOUR);
    assert!(test.fetch().await.is_ok());
}

#[tokio::test]
async fn a_wait_that_a_wrong_clock_set_ends_when_the_clock_is_corrected() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.clock.advance(3 * HOUR);
    test.aws.set_reachable(false);
    assert!(test.fetch().await.is_err());
    test.aws.set_reachable(true);
    test.clock.step_back(2 * HOUR);
    test.run_for(MINUTE).await;
    assert!(test.fetch().await.is_ok());
}

#[tokio::test]
async fn a_clock_far_ahead_causes_few_calls() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.aws.center().lifetimes.role = Duration::ZERO;
    let before = test.aws.calls();
    test.run_for(HOUR).await;
    assert!(test.aws.calls() - before < 60, "{} calls", test.aws.calls() - before);
    assert!(test.fetch().await.unwrap_err().to_string().contains("clock"));
}

#[tokio::test]
async fn credentials_that_expired_during_a_suspend_are_fetched_again_at_once() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.aws.hold_answers();
    let broker = test.broker.clone();
    let fetch = tokio::spawn(async move { broker.fetch(&admin(), Floor::CONTAINER).await });
    settle().await;
    test.clock.advance(2 * HOUR);
    test.aws.release_answers();
    let credentials = fetch.await.unwrap().unwrap();
    assert!(credentials.expiration > test.clock.now());
}
