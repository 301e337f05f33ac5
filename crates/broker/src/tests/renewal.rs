//! Fetches and renewals while time passes, AWS is unreachable, or the configuration changes.

use std::collections::BTreeMap;
use std::time::Duration;

use ssod_model::{Cached, CredentialSource, Floor, ProfileName, Refusal, SecretStore, TimestampExt};

use super::{HOUR, MINUTE, TestBroker, admin, profile, session};
use crate::{SignInState, TroubleStatus};

#[tokio::test]
async fn a_thousand_callers_share_one_fetch() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let before = test.aws.calls();
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let broker = test.broker.clone();
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
    assert_eq!((keys.len(), test.aws.calls() - before), (1, 1));
}

#[tokio::test]
async fn a_day_of_renewals_keeps_credentials_fresh() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    for _ in 0..24 * 12 {
        test.run_for(5 * MINUTE).await;
        match test.broker.cached(&admin(), Floor::IMDS) {
            Cached::Ready(held) => assert!(held.remaining(test.clock.now()) >= Floor::IMDS.0),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(test.state(), SignInState::Active);
}

#[tokio::test]
async fn an_outage_removes_no_credentials_and_recovery_is_automatic() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let key = test.fetch().await.unwrap();
    test.aws.set_reachable(false);
    let busy_ticks = test.run_for(55 * MINUTE).await;
    assert!(busy_ticks < 200, "{busy_ticks} busy ticks in an outage of an hour");
    assert_eq!(test.fetch().await.unwrap(), key, "valid credentials are served during the outage");
    test.run_for(10 * MINUTE).await;
    let refusal = test.fetch().await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Unavailable { .. }), "{refusal}");
    test.aws.set_reachable(true);
    test.run_for(6 * MINUTE).await;
    assert_ne!(test.fetch().await.unwrap(), key);
    assert_eq!(test.state(), SignInState::Active);
}

#[tokio::test]
async fn a_role_that_is_not_assigned_is_retried_rarely_and_cleared_by_a_sign_in() {
    let test = TestBroker::new();
    test.sign_in("bob").await;
    assert!(matches!(test.fetch().await.unwrap_err(), Refusal::NoAccess { .. }));
    let calls = test.aws.calls();
    for _ in 0..100 {
        assert!(matches!(test.fetch().await.unwrap_err(), Refusal::NoAccess { .. }));
    }
    assert_eq!(test.aws.calls(), calls);
    assert_eq!(test.broker.status().profiles[0].trouble, Some(TroubleStatus::NoAccess));
    // The timer fetches the other role once, and retries this one after five minutes at the earliest.
    test.run_for(MINUTE).await;
    assert_eq!(test.aws.calls(), calls + 1);
    test.run_for(3 * MINUTE).await;
    assert_eq!(test.aws.calls(), calls + 1);
    test.run_for(2 * MINUTE).await;
    assert_eq!(test.aws.calls(), calls + 2);
    test.sign_in("alice").await;
    assert!(test.fetch().await.unwrap().contains("alice"));
}

#[tokio::test]
async fn renewed_tokens_are_used_while_the_disk_is_full_and_saved_later() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let saved = || test.store.load_sessions().unwrap()[0].tokens.clone().unwrap();
    let first = saved();
    test.store.set_failing(true);
    test.run_for(2 * HOUR).await;
    assert_eq!(
        test.state(),
        SignInState::Active,
        "the single-use refresh token is no longer valid, so the new one must be used"
    );
    assert!(saved() == first);
    test.store.set_failing(false);
    test.run_for(2 * MINUTE).await;
    assert!(saved() != first);
    let again = TestBroker::start(&test.aws, &test.store, &test.clock);
    assert!(
        again.fetch(&admin(), Floor::CONTAINER).await.is_ok(),
        "a restart continues with the saved tokens"
    );
}

#[tokio::test]
async fn held_credentials_are_served_immediately_after_a_restart_offline() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let key = test.fetch().await.unwrap();
    test.broker.finish().await;
    test.aws.set_reachable(false);
    let again = TestBroker::start(&test.aws, &test.store, &test.clock);
    match again.cached(&admin(), Floor::CONTAINER) {
        Cached::Ready(held) => assert_eq!(held.access_key_id, key),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_configuration_change_during_a_renewal_loses_no_sign_in() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    for change in 0..20 {
        test.clock.advance(45 * MINUTE);
        test.broker.renew_due();
        // The file is saved in two steps, with a change that does not affect the sign-in.
        test.broker.configure(&BTreeMap::new(), &BTreeMap::new());
        let mut changed = session();
        changed.endpoints.fips = change % 2 == 0;
        let admin = profile("adminUser", "AdminRole");
        test.broker.configure(
            &BTreeMap::from([(changed.name.clone(), changed)]),
            &BTreeMap::from([(admin.name.clone(), admin)]),
        );
        test.run_for(MINUTE).await;
        assert_eq!(test.state(), SignInState::Active, "change {change}");
    }
    assert!(test.fetch().await.is_ok());
}

#[tokio::test]
async fn a_network_change_ends_only_waits_after_missing_answers() {
    let test = TestBroker::new();
    test.sign_in("bob").await;
    test.aws.set_reachable(false);
    let read_only = ProfileName::parse("readOnlyUser").unwrap();
    test.run_for(3 * MINUTE).await;
    let retries = || {
        let status = test.broker.status();
        status.profiles.into_iter().find(|profile| profile.name == read_only).unwrap().next_renewal.unwrap()
    };
    test.clock.step_back(Duration::from_secs(1));
    assert!(matches!(
        test.broker.fetch(&read_only, Floor::CONTAINER).await,
        Err(Refusal::Unavailable { .. })
    ));
    let before = test.aws.calls();
    test.aws.set_reachable(true);
    test.broker.try_again();
    assert!(retries() <= test.clock.now().plus(Duration::from_secs(2)), "{}", retries());
    test.run_for(Duration::from_secs(10)).await;
    assert!(test.broker.held(&read_only).is_some() && test.aws.calls() > before);
    // The other role is not assigned to bob on any network.
    let refused = test.aws.calls();
    test.broker.try_again();
    test.run_for(MINUTE).await;
    assert_eq!(test.aws.calls(), refused);
}
