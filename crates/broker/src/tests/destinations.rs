//! Secrets go to the endpoints that issued them, and to no others.

use ssod_model::{Cached, IdentityError, IdentityProvider};

use super::*;
use crate::TroubleStatus;

fn redirected(oidc: Option<&str>, portal: Option<&str>) -> SsoSession {
    let endpoints = Endpoints {
        oidc: oidc.map(str::to_owned),
        portal: portal.map(str::to_owned),
        ..Endpoints::default()
    };
    SsoSession { endpoints, ..session() }
}

impl TestBroker {
    /// Applies a configuration with both profiles.
    fn configure(&self, session: SsoSession, own_portal: Option<&str>) {
        let admin = profile("adminUser", "AdminRole");
        let own =
            own_portal.map(|url| Endpoints { portal: Some(url.to_owned()), ..session.endpoints.clone() });
        let other = Profile { endpoints: own, ..profile("readOnlyUser", "ReadOnlyRole") };
        self.broker.configure(
            &BTreeMap::from([(session.name.clone(), session)]),
            &BTreeMap::from([(admin.name.clone(), admin), (other.name.clone(), other)]),
        );
    }

    /// Returns the endpoints that got a secret since the given call.
    fn sent_since(&self, calls: usize) -> Vec<Option<String>> {
        self.aws.secrets_sent_to().split_off(calls)
    }

    async fn fetch_read_only(&self) -> Result<String, Refusal> {
        let name = ProfileName::parse("readOnlyUser").unwrap();
        let fetched = self.broker.fetch(&name, Floor::CONTAINER).await?;
        Ok(fetched.access_key_id.clone())
    }

    async fn list_accounts(&self) -> Result<(), IdentityError> {
        let name = session().name;
        let listing = self.broker.portal(&name, |token| async move {
            self.aws.list_accounts(&token.session, &token.secret).await
        });
        listing.await.map(drop)
    }
}

const TEST: Option<&str> = Some("https://test.example");

#[tokio::test]
async fn no_secret_of_a_sign_in_goes_to_endpoints_that_were_configured_later() {
    for (oidc, portal) in [(TEST, TEST), (TEST, None), (None, TEST)] {
        let test = TestBroker::new();
        test.sign_in("alice").await;
        let key = test.fetch().await.unwrap();
        let calls = test.aws.secrets_sent_to().len();
        test.configure(redirected(oidc, portal), None);
        // The timer, an SDK, a user who lists accounts, and a logout.
        test.run_for(2 * HOUR).await;
        assert!(matches!(test.fetch().await, Err(Refusal::LoginRequired { .. })));
        assert_eq!(test.list_accounts().await, Err(IdentityError::Unauthorized));
        let SignInState::Expired { reason } = test.state() else { panic!("{:?}", test.state()) };
        assert_eq!(reason, "its endpoints have changed since the sign-in");
        assert_eq!(test.sent_since(calls), []);
        // With the earlier endpoints, the sign-in is usable again.
        test.configure(session(), None);
        assert_ne!(test.fetch().await.unwrap(), key);
        assert!(test.sent_since(calls).iter().all(Option::is_none));
        test.configure(redirected(oidc, portal), None);
        let calls = test.aws.secrets_sent_to().len();
        let logout = test.broker.logout(&session().name).await.unwrap();
        assert_eq!(logout.not_ended_at_aws.as_deref(), Some("its endpoints have changed since the sign-in"));
        assert_eq!(test.sent_since(calls), []);
    }
}

#[tokio::test]
async fn a_sign_in_at_other_endpoints_stays_there_also_after_a_restart() {
    let test = TestBroker::new();
    test.configure(redirected(TEST, TEST), None);
    test.sign_in("alice").await;
    test.fetch().await.unwrap();
    test.broker.finish().await;
    let calls = test.aws.secrets_sent_to().len();
    // This run's configuration names no override.
    let again = TestBroker::start(&test.aws, &test.store, &test.clock);
    assert!(matches!(
        again.cached(&admin(), Floor::CONTAINER),
        Cached::Refused(Refusal::LoginRequired { .. })
    ));
    assert!(again.held(&admin()).is_none(), "these credentials are of the other endpoint");
    assert_eq!(test.sent_since(calls), []);
}

#[tokio::test]
async fn a_client_secret_is_not_used_at_other_endpoints() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.configure(redirected(TEST, None), None);
    let signing = test.broker.begin_sign_in(&session().name).unwrap();
    let at_test = signing.client(SignInFlow::DeviceCode).await.unwrap();
    drop(signing);
    test.configure(session(), None);
    let signing = test.broker.begin_sign_in(&session().name).unwrap();
    let at_aws = signing.client(SignInFlow::DeviceCode).await.unwrap();
    assert_ne!(at_test.client_id, at_aws.client_id, "the other endpoint has its own client");
}

#[tokio::test]
async fn a_profiles_own_portal_gets_the_token_only_of_a_sign_in_that_was_made_with_it() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let calls = test.aws.secrets_sent_to().len();
    test.configure(session(), TEST);
    test.run_for(2 * HOUR).await;
    assert!(matches!(test.fetch_read_only().await, Err(Refusal::LoginRequired { .. })));
    let status = test.broker.status();
    let trouble = status.profiles.into_iter().map(|profile| profile.trouble).collect::<Vec<_>>();
    assert_eq!(trouble, [None, Some(TroubleStatus::SignInNeeded)]);
    test.fetch().await.expect("the profile beside it works");
    assert!(test.sent_since(calls).iter().all(Option::is_none), "{:?}", test.sent_since(calls));
    // The user signs in with this configuration.
    test.sign_in("alice").await;
    let calls = test.aws.secrets_sent_to().len();
    test.fetch_read_only().await.unwrap();
    test.fetch().await.unwrap();
    assert_eq!(test.sent_since(calls), [TEST.map(str::to_owned), None]);
    // A renewal keeps this, and another portal needs another sign-in.
    test.run_for(2 * HOUR).await;
    test.fetch_read_only().await.unwrap();
    test.configure(session(), Some("https://other.example"));
    test.run_for(2 * HOUR).await;
    let sent = test.sent_since(calls);
    assert!(!sent.contains(&Some("https://other.example".to_owned())), "{sent:?}");
}

#[tokio::test]
async fn a_change_of_endpoints_during_a_renewal_loses_no_sign_in() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    test.aws.hold_answers();
    test.clock.advance(45 * MINUTE);
    test.broker.renew_due();
    settle().await;
    // AWS has used the refresh token, and its answer arrives while other endpoints are configured.
    test.configure(redirected(TEST, TEST), None);
    test.aws.release_answers();
    settle().await;
    assert!(test.broker.held(&admin()).is_none(), "credentials of the earlier endpoint are kept");
    test.configure(session(), None);
    test.clock.advance(2 * HOUR);
    test.fetch().await.expect("the renewed tokens were saved");
    assert!(test.aws.secrets_sent_to().iter().all(Option::is_none));
}
