//! Answers that are not AWS's end nothing, and no wait is longer than the lifetime of what is in memory.

use std::time::Duration;

use ssod_model::{Cached, CredentialSource, Floor, IdentityError, Refusal, TimestampExt};

use super::{HOUR, MINUTE, TestBroker, admin};
use crate::{SignInState, TroubleStatus};

fn page(status: u16, retry_after: Option<u64>) -> IdentityError {
    let retry_after = retry_after.map(Duration::from_secs);
    IdentityError::NotFromAws { status, summary: format!("{status} text/html"), retry_after }
}

#[tokio::test]
async fn a_page_blocks_no_profile_and_the_next_attempt_follows_soon() {
    for (status, retry_after) in
        [(307, None), (403, None), (404, Some(3_600)), (429, Some(300)), (503, Some(120))]
    {
        let test = TestBroker::new();
        test.sign_in("alice").await;
        test.aws.set_foreign_answer(Some(page(status, retry_after)));
        let refusal = test.fetch().await.unwrap_err();
        assert!(matches!(&refusal, Refusal::Unavailable { .. }), "{refusal}");
        assert!(refusal.to_string().contains(&format!("{status} text/html")), "{refusal}");
        let Some(TroubleStatus::Retrying { reason, retry_at }) =
            test.broker.status().profiles[0].trouble.clone()
        else {
            panic!("{status}: {:?}", test.broker.status().profiles[0].trouble)
        };
        assert_eq!(reason, format!("an answer that is not AWS's: {status} text/html"));
        let wait = retry_at.since_or_zero(test.clock.now());
        assert!(wait <= Duration::from_secs(30), "{status}: {wait:?}");
        assert_eq!(test.state(), SignInState::Active);
        test.aws.set_foreign_answer(None);
        if status == 429 {
            // The limiter pauses all calls for as long, by a clock that the test does not advance.
            continue;
        }
        test.run_for(MINUTE).await;
    }
}

#[tokio::test]
async fn hours_of_pages_end_no_sign_in() {
    let test = TestBroker::new();
    test.sign_in("alice").await;
    let key = test.fetch().await.unwrap();
    test.aws.set_foreign_answer(Some(page(401, None)));
    let busy_ticks = test.run_for(5 * HOUR).await;
    assert!(busy_ticks < 2_000, "{busy_ticks} attempts in five hours");
    assert_eq!(test.state(), SignInState::Active);
    test.aws.set_foreign_answer(None);
    test.run_for(6 * MINUTE).await;
    assert_ne!(test.fetch().await.unwrap(), key);
}

/// AWS comes back some time before the credentials expire, which a wait of five minutes would miss.
#[tokio::test]
async fn an_outage_that_ends_before_the_credentials_do_is_never_noticed() {
    for (seconds_before, token_expires_first) in [
        (200, false),
        (100, false),
        (45, false),
        (15, false),
        (200, true),
        (100, true),
        (45, true),
        (15, true),
    ] {
        let test = TestBroker::new();
        test.sign_in("alice").await;
        if token_expires_first {
            test.run_for(20 * MINUTE).await;
        }
        test.fetch().await.unwrap();
        let held = test.broker.held(&admin()).unwrap();
        test.aws.set_foreign_answer(Some(page(502, None)));
        let outage = held.remaining(test.clock.now()).saturating_sub(Duration::from_secs(seconds_before));
        test.run_in_steps(outage, Duration::from_secs(1)).await;
        let key = test.fetch().await.unwrap();
        assert_eq!(key, held.access_key_id, "{seconds_before}: the outage did not last");
        test.aws.set_foreign_answer(None);
        let rest = held.remaining(test.clock.now()).saturating_sub(Duration::from_secs(1));
        test.run_in_steps(rest, Duration::from_secs(1)).await;
        let Cached::Ready(renewed) = test.broker.cached(&admin(), Floor::CONTAINER) else {
            panic!("{seconds_before} {token_expires_first}: there are no credentials")
        };
        assert_ne!(renewed.access_key_id, key, "{seconds_before} {token_expires_first}");
    }
}
