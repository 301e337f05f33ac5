//! Sealing, and opening afterwards.

use std::collections::BTreeMap;

use ssod_model::{CredentialSource, Floor, Refusal, Region, SsoSession};

use super::{HOUR, MINUTE, TestBroker, admin, profile, session, settle};
use crate::{SealReason, SignInError, SignInState};

fn locked() -> SealReason {
    SealReason { reason: "ssod is locked.".to_owned(), remedy: "Run: ssod unlock".to_owned() }
}

impl TestBroker {
    /// Returns whether any token or any credentials are in memory.
    fn holds_secrets(&self) -> bool {
        let state = self.broker.state();
        state.sessions().any(|(_, session)| session.record().is_some())
            || state.profiles().any(|(_, profile)| profile.holds_credentials())
    }
}

#[tokio::test]
async fn sealing_drops_every_secret_and_opening_loads_them_again() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let key = test.fetch().await.unwrap();
    assert!(test.holds_secrets());
    test.broker.seal(locked()).await;
    assert!(!test.holds_secrets());
    assert!(matches!(test.fetch().await, Err(Refusal::Locked { .. })));
    assert!(test.broker.held(&admin()).is_none() && test.broker.closed().is_some());
    assert_eq!(test.state(), SignInState::Locked);
    assert!(matches!(test.broker.begin_sign_in(&session().name), Err(SignInError::NotOpen(_))));
    let calls = test.aws.calls();
    assert_eq!(test.run_for(10 * MINUTE).await, 0, "a sealed broker does nothing");
    // A stop while it is sealed must not delete the stored secrets.
    test.broker.finish().await;
    assert_eq!(test.aws.calls(), calls);

    let again = TestBroker::start(&test.aws, &test.store, &test.clock);
    let fetched = again.fetch(&admin(), Floor::CONTAINER).await.unwrap();
    assert_eq!((fetched.access_key_id.as_str(), test.aws.calls()), (key.as_str(), calls));
}

#[tokio::test]
async fn sealing_waits_for_the_renewal_that_carries_the_only_refresh_token() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.clock.advance(55 * MINUTE);
    test.aws.hold_answers();
    test.broker.renew_due();
    settle().await;
    let locking = tokio::spawn({
        let broker = test.broker.clone();
        async move { broker.seal(locked()).await }
    });
    settle().await;
    assert!(!locking.is_finished());
    assert!(
        matches!(test.fetch().await, Err(Refusal::Locked { .. })),
        "nothing is served while sealing waits"
    );
    test.aws.release_answers();
    locking.await.unwrap();
    assert!(!test.holds_secrets());
    test.broker.open().unwrap();
    test.clock.advance(2 * HOUR);
    test.fetch().await.expect("the renewed tokens were saved");
    assert_eq!(test.state(), SignInState::Active);
}

#[tokio::test]
async fn sealing_returns_the_sign_ins_that_it_lost() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.clock.advance(55 * MINUTE);
    test.store.set_failing(true);
    test.broker.renew_due();
    settle().await;
    assert!(test.broker.is_busy(), "the renewed sign-in is in memory only");
    assert_eq!(test.broker.seal(locked()).await, [session().name]);
}

#[tokio::test]
async fn after_opening_a_session_at_another_location_serves_no_old_credentials() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.fetch().await.unwrap();
    test.broker.seal(locked()).await;
    let moved = SsoSession { region: Region::parse("eu-west-1").unwrap(), ..session() };
    let profiles = BTreeMap::from([(admin(), profile("adminUser", "AdminRole"))]);
    test.broker.configure(&BTreeMap::from([(moved.name.clone(), moved)]), &profiles);
    test.broker.open().unwrap();
    assert!(matches!(test.fetch().await, Err(Refusal::LoginRequired { .. })));
}
