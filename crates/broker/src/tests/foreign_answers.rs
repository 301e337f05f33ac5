//! Answers that are not AWS's end nothing, and no wait is longer than what is held lasts.

use std::time::Duration;

use ssod_model::{Cached, CredentialSource, Floor, IdentityError, Refusal, TimestampExt};

use super::{HOUR, MINUTE, World, admin};
use crate::{SessionState, TroubleStatus};

fn page(status: u16, retry_after: Option<u64>) -> IdentityError {
    let retry_after = retry_after.map(Duration::from_secs);
    IdentityError::NotFromAws { status, summary: format!("{status} text/html"), retry_after }
}

#[tokio::test]
async fn a_page_blocks_no_profile_and_the_next_try_comes_soon() {
    for (status, retry_after) in
        [(307, None), (403, None), (404, Some(3_600)), (429, Some(300)), (503, Some(120))]
    {
        let world = World::new();
        world.sign_in("alice").await;
        world.aws.set_foreign_answer(Some(page(status, retry_after)));
        let refusal = world.fetch().await.unwrap_err();
        assert!(matches!(&refusal, Refusal::Unavailable { .. }), "{refusal}");
        assert!(refusal.to_string().contains(&format!("{status} text/html")), "{refusal}");
        let Some(TroubleStatus::Retrying { reason, retry_at }) =
            world.broker.status().profiles[0].trouble.clone()
        else {
            panic!("{status}: {:?}", world.broker.status().profiles[0].trouble)
        };
        assert_eq!(reason, format!("an answer that is not AWS's: {status} text/html"));
        let wait = retry_at.since_or_zero(world.clock.now());
        assert!(wait <= Duration::from_secs(30), "{status}: {wait:?}");
        assert_eq!(world.state(), SessionState::Active);
        world.aws.set_foreign_answer(None);
        if status == 429 {
            // The limiter pauses all calls as long, by a clock that the test does not advance.
            continue;
        }
        world.live(MINUTE).await;
        assert!(world.fetch().await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn hours_of_pages_end_no_sign_in() {
    let world = World::new();
    world.sign_in("alice").await;
    let key = world.fetch().await.unwrap();
    world.aws.set_foreign_answer(Some(page(401, None)));
    let acted = world.live(5 * HOUR).await;
    assert!(acted < 2_000, "{acted} tries in five hours");
    assert_eq!(world.state(), SessionState::Active);
    world.aws.set_foreign_answer(None);
    world.live(6 * MINUTE).await;
    assert_ne!(world.fetch().await.unwrap(), key);
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
        let world = World::new();
        world.sign_in("alice").await;
        if token_expires_first {
            world.live(20 * MINUTE).await;
        }
        world.fetch().await.unwrap();
        let held = world.broker.held(&admin()).unwrap();
        world.aws.set_foreign_answer(Some(page(502, None)));
        let outage = held.remaining(world.clock.now()).saturating_sub(Duration::from_secs(seconds_before));
        world.live_by(outage, Duration::from_secs(1)).await;
        let key = world.fetch().await.unwrap();
        assert_eq!(key, held.access_key_id, "{seconds_before}: the outage did not last");
        world.aws.set_foreign_answer(None);
        let rest = held.remaining(world.clock.now()).saturating_sub(Duration::from_secs(1));
        world.live_by(rest, Duration::from_secs(1)).await;
        let Cached::Ready(renewed) = world.broker.cached(&admin(), Floor::CONTAINER) else {
            panic!("{seconds_before} {token_expires_first}: nothing is held")
        };
        assert_ne!(renewed.access_key_id, key, "{seconds_before} {token_expires_first}");
    }
}
