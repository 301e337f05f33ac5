//! Fetching and renewing while time passes, AWS is unreachable, or the configuration changes.

use std::collections::BTreeMap;
use std::time::Duration;

use ssod_model::{Cached, CredentialSource, Floor, ProfileName, Refusal, SecretStore, TimestampExt};

use super::{HOUR, MINUTE, World, admin, profile, session};
use crate::{SessionState, TroubleStatus};

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
async fn a_day_of_renewals_keeps_credentials_fresh() {
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
async fn an_outage_removes_no_credentials_and_recovery_is_automatic() {
    let world = World::new();
    world.sign_in("alice").await;
    let key = world.fetch().await.unwrap();
    world.aws.set_reachable(false);
    let acted = world.live(55 * MINUTE).await;
    assert!(acted < 200, "{acted} wakeups in an outage of an hour");
    assert_eq!(world.fetch().await.unwrap(), key, "valid credentials are served during the outage");
    world.live(10 * MINUTE).await;
    let refusal = world.fetch().await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Unavailable { .. }), "{refusal}");
    world.aws.set_reachable(true);
    world.live(6 * MINUTE).await;
    assert_ne!(world.fetch().await.unwrap(), key);
    assert_eq!(world.state(), SessionState::Active);
}

#[tokio::test]
async fn a_role_that_is_not_assigned_is_retried_rarely_and_cleared_by_a_sign_in() {
    let world = World::new();
    world.sign_in("bob").await;
    assert!(matches!(world.fetch().await.unwrap_err(), Refusal::NoAccess { .. }));
    let calls = world.aws.calls();
    for _ in 0..100 {
        assert!(matches!(world.fetch().await.unwrap_err(), Refusal::NoAccess { .. }));
    }
    assert_eq!(world.aws.calls(), calls);
    assert_eq!(world.broker.status().profiles[0].trouble, Some(TroubleStatus::NoAccess));
    // The timer fetches the other role once, and retries this one after five minutes at the earliest.
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
async fn renewed_tokens_are_used_while_the_disk_is_full_and_saved_later() {
    let world = World::new();
    world.sign_in("alice").await;
    let saved = || world.store.load_sessions().unwrap()[0].tokens.clone().unwrap();
    let first = saved();
    world.store.set_failing(true);
    world.live(2 * HOUR).await;
    assert_eq!(
        world.state(),
        SessionState::Active,
        "the single-use refresh token is no longer valid, so the new one must be used"
    );
    assert!(saved() == first);
    world.store.set_failing(false);
    world.live(2 * MINUTE).await;
    assert!(saved() != first);
    let again = World::start(&world.aws, &world.store, &world.clock);
    assert!(
        again.fetch(&admin(), Floor::CONTAINER).await.is_ok(),
        "a restart continues with the saved tokens"
    );
}

#[tokio::test]
async fn held_credentials_are_served_immediately_after_a_restart_offline() {
    let world = World::new();
    world.sign_in("alice").await;
    let key = world.fetch().await.unwrap();
    world.broker.finish().await;
    world.aws.set_reachable(false);
    let again = World::start(&world.aws, &world.store, &world.clock);
    match again.cached(&admin(), Floor::CONTAINER) {
        Cached::Ready(held) => assert_eq!(held.access_key_id, key),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_configuration_change_during_a_renewal_loses_no_sign_in() {
    let world = World::new();
    world.sign_in("alice").await;
    for change in 0..20 {
        world.clock.advance(45 * MINUTE);
        world.broker.renew_due();
        // The file is saved in two steps, with a change that does not matter to the session.
        world.broker.configure(&BTreeMap::new(), &BTreeMap::new());
        let mut changed = session();
        changed.endpoints.fips = change % 2 == 0;
        let admin = profile("adminUser", "AdminRole");
        world.broker.configure(
            &BTreeMap::from([(changed.name.clone(), changed)]),
            &BTreeMap::from([(admin.name.clone(), admin)]),
        );
        world.live(MINUTE).await;
        assert_eq!(world.state(), SessionState::Active, "change {change}");
    }
    assert!(world.fetch().await.is_ok());
}

#[tokio::test]
async fn a_network_change_ends_only_waits_for_an_answer() {
    let world = World::new();
    world.sign_in("bob").await;
    world.aws.set_reachable(false);
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
    world.aws.set_reachable(true);
    world.broker.try_again();
    assert!(retries() <= world.clock.now().plus(Duration::from_secs(2)), "{}", retries());
    world.live(Duration::from_secs(10)).await;
    assert!(world.broker.held(&read_only).is_some() && world.aws.calls() > before);
    // The other role is not assigned to bob, which another network does not change.
    let refused = world.aws.calls();
    world.broker.try_again();
    world.live(MINUTE).await;
    assert_eq!(world.aws.calls(), refused);
}
