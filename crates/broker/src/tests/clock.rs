//! Clocks that jump or are wrong.

use std::time::Duration;

use ssod_model::{CredentialSource, Floor};

use super::{HOUR, MINUTE, World, admin, settle};

#[tokio::test]
async fn after_a_clock_jump_no_expired_credentials_are_served() {
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
async fn a_wait_that_a_wrong_clock_set_ends_when_the_clock_is_corrected() {
    let world = World::new();
    world.sign_in("alice").await;
    world.clock.advance(3 * HOUR);
    world.aws.set_reachable(false);
    assert!(world.fetch().await.is_err());
    world.aws.set_reachable(true);
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
async fn an_answer_that_arrives_after_a_suspend_longer_than_its_life_is_fetched_again_at_once() {
    let world = World::new();
    world.sign_in("alice").await;
    world.aws.hold_answers();
    let broker = world.broker.clone();
    let fetch = tokio::spawn(async move { broker.fetch(&admin(), Floor::CONTAINER).await });
    settle().await;
    world.clock.advance(2 * HOUR);
    world.aws.release_answers();
    let credentials = fetch.await.unwrap().unwrap();
    assert!(credentials.expiration > world.clock.now());
}
