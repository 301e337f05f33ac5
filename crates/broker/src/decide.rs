//! The whole policy, as pure functions of the time and the facts.

mod facts;
mod waits;

use std::time::Duration;

use ssod_model::{Floor, Timestamp, TimestampExt};

pub use facts::{FetchFailure, Lifetime, ProfileFacts, SessionFacts, TokenState};
pub(crate) use waits::jitter;
pub use waits::{REFUSED_RETRY, RETRY_MAX, RETRY_MIN, backoff, is_waiting, seed};

use waits::not_before;

/// Access tokens are renewed with this much left. SDKs that read the AWS CLI's file renew at 15 minutes, so they never
/// renew before ssod does.
pub const TOKEN_MARGIN: Duration = Duration::from_mins(20);
/// Renewals with at least this margin can wait for the next whole second, so that all work of one second wakes the
/// process once.
const BATCHED_MARGIN: Duration = Duration::from_secs(20);

/// What a caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// The credentials in memory.
    Held,
    /// New credentials if they arrive within the caller's time limit, else those in memory, which are valid but expire
    /// soon.
    HeldOrNewer,
    /// The result of a fetch.
    Fetch,
    /// A refusal: the user must sign in.
    LoginRequired,
    /// A refusal: the role is not assigned.
    NoAccess,
    /// A refusal: AWS did not answer, and it is too early to retry.
    Retrying,
}

/// When to renew without a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renew {
    /// The timer does not renew.
    Never,
    /// At this time, or now if it has passed.
    At(Timestamp),
}

/// What the timer does for a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: the timer does not renew it, or a fetch is in progress.
    Nothing,
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing until the renewal of the session's token, which is in progress, has ended.
    AwaitRenewal,
    /// Nothing until the session has a usable token again.
    AwaitToken,
    /// Renew the session's token, which a fetch needs first.
    RenewToken,
    /// Fetch new credentials.
    Fetch,
}

/// The decision for one profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileDecision {
    /// What a caller gets now.
    pub serve: Serve,
    /// Whether a fetch may return credentials now: the user need not sign in, and no wait is in progress.
    pub may_fetch: bool,
    /// When the timer renews the credentials, even if a fetch or a renewal is in progress.
    pub renew: Renew,
    /// What the timer does now.
    pub next: NextStep,
}

/// Decides everything about one profile, for requests and the timer.
pub fn decide(
    now: Timestamp,
    session: &SessionFacts,
    profile: &ProfileFacts,
    floor: Floor,
) -> ProfileDecision {
    let held = profile.held.filter(|held| !held.has_expired(now));
    let fetch = can_fetch(now, session, profile);
    let serve = match (held, fetch) {
        (Some(held), _) if held.has_remaining(now, floor.0) => Serve::Held,
        (Some(_), Ok(())) => Serve::HeldOrNewer,
        (Some(_), Err(_)) => Serve::Held,
        (None, Ok(())) => Serve::Fetch,
        (None, Err(refusal)) => refusal,
    };
    let renew = renew_credentials(now, session, profile);
    ProfileDecision { serve, may_fetch: fetch.is_ok(), renew, next: next_step(now, session, profile, renew) }
}

/// Returns when to renew the session's tokens.
pub fn renew_token(now: Timestamp, session: &SessionFacts) -> Renew {
    match session.token {
        TokenState::SignedIn { token, refreshable: true } => {
            let margin = TOKEN_MARGIN.min(token.half());
            let due = token.expires_at.minus(margin + jitter(margin, session.seed));
            Renew::At(batched(not_before(now, due, session.retry_at), margin))
        }
        TokenState::SignedIn { refreshable: false, .. } | TokenState::SignedOut => Renew::Never,
    }
}

/// Returns whether the access token may be sent to the portal. A token that could expire during the call is renewed
/// first.
pub fn token_usable(now: Timestamp, token: Lifetime) -> bool {
    token.has_remaining(now, Duration::from_mins(1).min(token.half() / 2).max(Duration::from_millis(1)))
}

fn can_fetch(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts) -> Result<(), Serve> {
    let waits = |retry_at: Timestamp| is_waiting(now, retry_at);
    match session.token {
        TokenState::SignedOut => return Err(Serve::LoginRequired),
        TokenState::SignedIn { token, refreshable: false } if token.has_expired(now) => {
            return Err(Serve::LoginRequired);
        }
        TokenState::SignedIn { token, .. }
            if token.has_expired(now) && session.retry_at.is_some_and(waits) =>
        {
            return Err(Serve::Retrying);
        }
        TokenState::SignedIn { .. } => {}
    }
    match profile.failure {
        Some(FetchFailure::Refused { retry_at }) if waits(retry_at) => Err(Serve::NoAccess),
        Some(FetchFailure::Transient { retry_at }) if waits(retry_at) => Err(Serve::Retrying),
        _ => Ok(()),
    }
}

/// Returns when to renew credentials: at half of their lifetime, so callers do not notice an outage of a quarter of it.
fn renew_credentials(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts) -> Renew {
    let TokenState::SignedIn { token, refreshable } = session.token else { return Renew::Never };
    if !profile.kept_fresh {
        return Renew::Never;
    }
    let margin = profile.held.map_or(BATCHED_MARGIN, Lifetime::half);
    let due = profile
        .held
        .map_or(Timestamp::MIN, |held| held.expires_at.minus(margin + jitter(margin, profile.seed)));
    let due = not_before(now, due, profile.failure.map(FetchFailure::retry_at));
    let due = batched(due, margin);
    if !refreshable && due.max(now) >= token.expires_at {
        return Renew::Never;
    }
    // If the token has expired by then (a timer may fire a moment late), the session's wait counts, too.
    let due = if token.has_expired(due.max(now).plus(RETRY_MIN)) {
        not_before(now, due, session.retry_at)
    } else {
        due
    };
    Renew::At(batched(due, margin))
}

fn next_step(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts, renew: Renew) -> NextStep {
    let Renew::At(at) = renew else { return NextStep::Nothing };
    if profile.fetching {
        return NextStep::Nothing;
    }
    match token_step(at.max(now), session) {
        NextStep::RenewToken if session.renewing => NextStep::AwaitRenewal,
        _ if at > now => NextStep::WaitUntil(at),
        step => step,
    }
}

/// Returns the first step of a background fetch at that time. Only the timer uses it: a caller that waits for an
/// answer joins the renewal.
fn token_step(at: Timestamp, session: &SessionFacts) -> NextStep {
    match session.token {
        TokenState::SignedOut => NextStep::AwaitToken,
        TokenState::SignedIn { token, refreshable: false } if token.has_expired(at) => NextStep::AwaitToken,
        TokenState::SignedIn { token, refreshable } if !refreshable || token_usable(at, token) => {
            NextStep::Fetch
        }
        TokenState::SignedIn { token, .. } if session.retry_at.is_some_and(|retry| is_waiting(at, retry)) => {
            // A token that is valid for a few more seconds is better than none.
            if token.has_expired(at) { NextStep::AwaitToken } else { NextStep::Fetch }
        }
        TokenState::SignedIn { .. } => NextStep::RenewToken,
    }
}

/// Returns the next whole second if the margin is long enough, else the time itself.
fn batched(at: Timestamp, margin: Duration) -> Timestamp {
    let left = Duration::from_nanos(u64::from(at.subsec_nanosecond().unsigned_abs()).abs_diff(1_000_000_000));
    // Before 1970 the fraction of a second is negative. Work with such a deadline is due now anyway.
    if margin < BATCHED_MARGIN || left.as_secs() == 1 || at < Timestamp::UNIX_EPOCH {
        at
    } else {
        at.plus(left)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn life(issued: i64, expires: i64) -> Lifetime {
        Lifetime { issued_at: at(issued), expires_at: at(expires) }
    }

    fn signed_in(token: Lifetime) -> SessionFacts {
        SessionFacts {
            token: TokenState::SignedIn { token, refreshable: true },
            retry_at: None,
            renewing: false,
            seed: 0,
        }
    }

    fn holding(held: Option<Lifetime>, failure: Option<FetchFailure>) -> ProfileFacts {
        ProfileFacts { held, failure, kept_fresh: true, fetching: false, seed: 0 }
    }

    #[test]
    fn callers_get_the_best_answer_that_the_facts_allow() {
        let valid = signed_in(life(0, HOUR));
        let out = SessionFacts { token: TokenState::SignedOut, ..valid };
        let legacy = SessionFacts {
            token: TokenState::SignedIn { token: life(0, HOUR), refreshable: false },
            ..valid
        };
        let hour = Some(life(0, HOUR));
        let retry = |retry_at| Some(FetchFailure::Transient { retry_at: at(retry_at) });
        let refused = |retry_at| Some(FetchFailure::Refused { retry_at: at(retry_at) });
        for (name, now, session, held, failure, serve) in [
            ("fresh credentials", 0, valid, hour, None, Serve::Held),
            ("exactly the floor", HOUR - 900, valid, hour, None, Serve::Held),
            ("under the floor", HOUR - 899, valid, hour, None, Serve::HeldOrNewer),
            ("under the floor, signed out", HOUR - 1, out, hour, None, Serve::Held),
            ("under the floor, AWS unreachable", HOUR - 1, valid, hour, retry(HOUR), Serve::Held),
            ("expired this second", HOUR, valid, hour, None, Serve::Fetch),
            ("expired and signed out", HOUR, out, hour, None, Serve::LoginRequired),
            ("a wait that a wrong clock set", 0, valid, None, retry(7_200), Serve::Fetch),
            ("nothing yet", 0, valid, None, None, Serve::Fetch),
            ("nothing, AWS unreachable", 0, valid, None, retry(1), Serve::Retrying),
            ("nothing, time to retry", 1, valid, None, retry(1), Serve::Fetch),
            ("not assigned", 0, valid, None, refused(300), Serve::NoAccess),
            ("not assigned, retried later", 300, valid, None, refused(300), Serve::Fetch),
            ("an expired legacy token", HOUR, legacy, None, None, Serve::LoginRequired),
        ] {
            let decision = decide(at(now), &session, &holding(held, failure), Floor::CONTAINER);
            assert_eq!(decision.serve, serve, "{name}");
        }
    }

    #[test]
    fn credentials_are_renewed_at_half_of_their_lifetime_and_tokens_with_twenty_minutes_left() {
        let session = signed_in(life(0, HOUR));
        let decision = decide(at(0), &session, &holding(Some(life(0, HOUR)), None), Floor::IMDS);
        assert_eq!(decision.renew, Renew::At(at(HOUR / 2)));
        assert_eq!(renew_token(at(0), &session), Renew::At(at(HOUR - 20 * 60)));
    }

    #[test]
    fn a_back_off_delays_renewals_and_an_unused_profile_is_not_renewed() {
        let session = SessionFacts { retry_at: Some(at(HOUR)), ..signed_in(life(0, HOUR)) };
        assert_eq!(renew_token(at(HOUR - 60), &session), Renew::At(at(HOUR)));
        let unused = ProfileFacts { kept_fresh: false, ..holding(None, None) };
        assert_eq!(decide(at(0), &session, &unused, Floor::IMDS).renew, Renew::Never);
    }

    #[test]
    fn renewals_wake_at_whole_seconds_unless_lifetimes_are_short() {
        let begun = Timestamp::from_millisecond(1_000_000_400).unwrap();
        let life =
            |seconds| Lifetime { issued_at: begun, expires_at: begun.plus(Duration::from_secs(seconds)) };
        let due = |seconds| {
            let facts = ProfileFacts { seed: 7, ..holding(Some(life(seconds)), None) };
            match decide(begun, &signed_in(life(seconds)), &facts, Floor::IMDS).renew {
                Renew::At(at) => at.subsec_nanosecond(),
                Renew::Never => panic!("no renewal"),
            }
        };
        assert_eq!((due(3_600), due(40)), (0, 0));
        assert_ne!(due(6), 0);
    }

    #[test]
    fn profiles_that_were_fetched_together_are_not_all_renewed_together() {
        let due = |number: u64| {
            let facts = ProfileFacts { seed: super::seed(number), ..holding(Some(life(0, HOUR)), None) };
            decide(at(0), &signed_in(life(0, HOUR)), &facts, Floor::IMDS).renew
        };
        let mut seconds: Vec<_> = (0..100)
            .map(due)
            .filter_map(|renew| match renew {
                Renew::At(at) => Some(at.as_second()),
                Renew::Never => None,
            })
            .collect();
        seconds.sort_unstable();
        seconds.dedup();
        assert!(seconds.len() > 50, "{} different seconds", seconds.len());
    }

    #[test]
    fn a_background_fetch_first_renews_a_token_that_is_about_to_expire() {
        let valid = signed_in(life(0, HOUR));
        let waits = SessionFacts { retry_at: Some(at(HOUR + 60)), ..valid };
        let out = SessionFacts { token: TokenState::SignedOut, ..valid };
        for (name, now, session, step) in [
            ("a good token", 0, valid, NextStep::Fetch),
            ("seconds left", HOUR - 10, valid, NextStep::RenewToken),
            ("expired", HOUR, valid, NextStep::RenewToken),
            ("seconds left, and renewing failed", HOUR - 10, waits, NextStep::Fetch),
            ("expired, and renewing failed", HOUR, waits, NextStep::AwaitToken),
            ("signed out", 0, out, NextStep::AwaitToken),
        ] {
            assert_eq!(token_step(at(now), &session), step, "{name}");
        }
    }

    #[test]
    fn the_timer_starts_one_step_at_a_time() {
        let valid = signed_in(life(0, HOUR));
        let renewing = SessionFacts { renewing: true, ..valid };
        let nothing = holding(None, None);
        let fetching = ProfileFacts { fetching: true, ..nothing };
        let fresh = holding(Some(life(0, HOUR)), None);
        for (name, now, session, profile, step) in [
            ("nothing held", 0, valid, nothing, NextStep::Fetch),
            ("a fetch is in progress", 0, valid, fetching, NextStep::Nothing),
            ("held and fresh", 0, valid, fresh, NextStep::WaitUntil(at(HOUR / 2))),
            ("the token was renewed early", 0, renewing, nothing, NextStep::Fetch),
            ("the token is being renewed", HOUR - 10, renewing, nothing, NextStep::AwaitRenewal),
        ] {
            assert_eq!(decide(at(now), &session, &profile, Floor::CONTAINER).next, step, "{name}");
        }
    }

    #[test]
    fn short_lifetimes_halve_every_margin() {
        let session = signed_in(life(0, 6));
        assert_eq!(renew_token(at(0), &session), Renew::At(at(3)));
        let facts = holding(Some(life(0, 6)), None);
        assert_eq!(decide(at(2), &session, &facts, Floor::CONTAINER).serve, Serve::Held);
        assert_eq!(decide(at(4), &session, &facts, Floor::CONTAINER).serve, Serve::HeldOrNewer);
    }

    proptest! {
        #[test]
        fn expired_credentials_are_never_served(
            now in 0i64..20_000, issued in 0i64..10_000, span in -10i64..10_000,
            token_span in 0i64..10_000, retry in prop::option::of(0i64..20_000), seed: u64,
        ) {
            let session = SessionFacts { retry_at: retry.map(at), seed, ..signed_in(life(issued, issued + token_span)) };
            let held = life(issued, issued + span);
            let failure = retry.map(|retry_at| FetchFailure::Transient { retry_at: at(retry_at) });
            for floor in [Floor::CONTAINER, Floor::IMDS] {
                let decision = decide(at(now), &session, &holding(Some(held), failure), floor);
                if matches!(decision.serve, Serve::Held | Serve::HeldOrNewer) {
                    prop_assert!(at(now) < held.expires_at);
                }
            }
        }

        #[test]
        fn renewals_are_due_between_forty_and_fifty_percent_of_a_lifetime(span in 60i64..100_000, seed: u64) {
            let profile = ProfileFacts { seed, ..holding(Some(life(0, span)), None) };
            let Renew::At(due) = decide(at(0), &signed_in(life(0, span)), &profile, Floor::IMDS).renew else {
                return Err(TestCaseError::fail("no renewal"));
            };
            prop_assert!(due <= at(span / 2 + 1) && due >= at(span * 44 / 100), "{due}");
        }
    }
}
