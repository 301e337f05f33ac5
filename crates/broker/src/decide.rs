//! The whole policy, as pure functions of the time and the facts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ssod_model::{Floor, Timestamp, TimestampExt};

/// Access tokens are renewed with this much left. SDKs that read the AWS CLI's file renew at 15 minutes, so
/// none of them ever does it before ssod.
pub const TOKEN_MARGIN: Duration = Duration::from_mins(20);
/// The shortest and the longest wait between two tries after a transient failure.
pub const RETRY_MIN: Duration = Duration::from_secs(1);
/// See [`RETRY_MIN`].
pub const RETRY_MAX: Duration = Duration::from_mins(5);
/// After a refusal (the user has no such role), the next try starts after this.
pub const REFUSED_RETRY: Duration = Duration::from_mins(5);
/// The longest wait that an answer may ask for which is not AWS's: the user may leave a captive portal at any moment.
pub const FOREIGN_RETRY_MAX: Duration = Duration::from_secs(30);
/// A wait need not be shorter: a call takes longer than that.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// Two threads may read the time in the other order than they use it, so that much of a difference counts as the same
/// moment.
const SAME_MOMENT: Duration = Duration::from_secs(2);
/// Renewals are moved earlier by up to this share of the margin, so that profiles do not all renew at once.
const JITTER_PERCENT: u32 = 10;
/// Margins of at least this length lose nothing by waiting for the next whole second, and all work of one second wakes
/// the process once.
const BATCHED_MARGIN: Duration = Duration::from_secs(20);

/// When credentials or a token were issued, and when they expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When they were received.
    pub issued_at: Timestamp,
    /// When they expire.
    pub expires_at: Timestamp,
}

impl Lifetime {
    fn half(self) -> Duration {
        self.expires_at.since_or_zero(self.issued_at) / 2
    }

    fn has_expired(self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// Returns the time that remains at that time; once it has expired, no margin depends on it.
    fn left(self, at: Timestamp) -> Duration {
        if self.has_expired(at) { Duration::MAX } else { self.expires_at.since_or_zero(at) }
    }

    /// Returns the longest wait between two tries to replace what is held. It is a third of the time that remains, so some
    /// tries follow before it expires. Once it has expired, only a short life limits the wait.
    pub fn longest_wait(self, now: Timestamp) -> Duration {
        let remaining = self.expires_at.since_or_zero(now);
        let longest = if remaining.is_zero() { self.half() } else { self.half().min(remaining / 3) };
        longest.max(SHORTEST_WAIT)
    }

    /// Whether at least `floor` remains. Half of the life is enough, so short lives work, too.
    fn has(self, now: Timestamp, floor: Duration) -> bool {
        self.expires_at.since_or_zero(now) >= floor.min(self.half())
    }
}

/// Whether a session has tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// There are none; the user must sign in.
    SignedOut,
    /// There are some.
    SignedIn {
        /// The lifetime of the access token.
        token: Lifetime,
        /// Whether there is a refresh token.
        refreshable: bool,
    },
}

/// What the policy needs to know about a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts {
    /// Its tokens.
    pub token: TokenState,
    /// After a failed renewal: the next one starts at this time at the earliest.
    pub retry_at: Option<Timestamp>,
    /// Whether a renewal of the token is under way.
    pub renewing: bool,
    /// Spreads renewals over time; it is constant for one session.
    pub seed: u64,
}

/// What went wrong with renewing a profile's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// A retry may succeed.
    Transient {
        /// The next try starts at this time at the earliest.
        retry_at: Timestamp,
    },
    /// AWS refused.
    Refused {
        /// The next try starts at this time at the earliest.
        retry_at: Timestamp,
    },
}

/// What the policy needs to know about a profile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileFacts {
    /// The credentials in memory.
    pub held: Option<Lifetime>,
    /// The last failure, if no success followed.
    pub setback: Option<Setback>,
    /// Whether the timer keeps it fresh; other profiles are fetched on request.
    pub kept_fresh: bool,
    /// Whether a fetch is under way.
    pub fetching: bool,
    /// Spreads renewals over time; it is constant for one profile.
    pub seed: u64,
}

/// What a caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// The credentials in memory.
    Held,
    /// New credentials if they arrive within the caller's patience, else those in memory, which are valid but expire
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
    /// Nothing: the timer does not renew it, or a fetch is under way.
    Nothing,
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing until the renewal of the session's token, which is under way, has ended.
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
pub struct Decision {
    /// What a caller gets now.
    pub serve: Serve,
    /// Whether a fetch may bring credentials now: the user need not sign in, and no wait is under way.
    pub may_fetch: bool,
    /// When the timer renews the credentials, whatever is under way.
    pub renew: Renew,
    /// What the timer does now.
    pub next: NextStep,
}

/// Decides everything about one profile, for requests and the timer.
pub fn decide(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts, floor: Floor) -> Decision {
    let held = profile.held.filter(|held| !held.has_expired(now));
    let fetch = can_fetch(now, session, profile);
    let serve = match (held, fetch) {
        (Some(held), _) if held.has(now, floor.0) => Serve::Held,
        (Some(_), Ok(())) => Serve::HeldOrNewer,
        (Some(_), Err(_)) => Serve::Held,
        (None, Ok(())) => Serve::Fetch,
        (None, Err(refusal)) => refusal,
    };
    let renew = renew_credentials(now, session, profile);
    Decision { serve, may_fetch: fetch.is_ok(), renew, next: next_step(now, session, profile, renew) }
}

/// Returns when to renew the session's tokens.
pub fn renew_token(now: Timestamp, session: &SessionFacts) -> Renew {
    match session.token {
        TokenState::SignedIn { token, refreshable: true } => {
            let margin = TOKEN_MARGIN.min(token.half());
            let due = token.expires_at.minus(margin + jitter(margin, session.seed));
            let due = not_before(now, due, session.retry_at);
            Renew::At(batched(due, margin.min(token.left(due))))
        }
        TokenState::SignedIn { refreshable: false, .. } | TokenState::SignedOut => Renew::Never,
    }
}

/// Whether the access token may be sent to the portal. A token that could expire during the call is renewed first.
pub fn token_usable(now: Timestamp, token: Lifetime) -> bool {
    token.has(now, Duration::from_mins(1).min(token.half() / 2).max(Duration::from_millis(1)))
}

/// Returns how long to wait after the given number of failures in a row: full jitter, doubling from [`RETRY_MIN`] to
/// [`RETRY_MAX`], but at most `longest`, which is [`Lifetime::longest_wait`] of what is held.
pub fn backoff(failures: u32, asked: Option<Duration>, longest: Duration, seed: u64) -> Duration {
    let longest = longest.min(RETRY_MAX);
    let upper = RETRY_MIN.saturating_mul(1 << failures.min(10)).min(longest);
    let drawn = upper.mul_f64(fraction(seed));
    let wait = drawn.max(RETRY_MIN.min(upper));
    // A server may ask for an absurd wait, or for one that what is held does not outlast. Calls to the portal are
    // delayed for as long as AWS asks by their limiter.
    asked.map_or(wait, |asked| wait.max(asked.min(longest)))
}

/// Returns a number that is equal for equal values and evenly distributed over different ones.
pub fn seed(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
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
    match profile.setback {
        Some(Setback::Refused { retry_at }) if waits(retry_at) => Err(Serve::NoAccess),
        Some(Setback::Transient { retry_at }) if waits(retry_at) => Err(Serve::Retrying),
        _ => Ok(()),
    }
}

/// Returns when to renew credentials: at half of their life, so an outage of a quarter of it stays invisible.
fn renew_credentials(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts) -> Renew {
    let TokenState::SignedIn { token, refreshable } = session.token else { return Renew::Never };
    if !profile.kept_fresh {
        return Renew::Never;
    }
    let margin = profile.held.map_or(BATCHED_MARGIN, Lifetime::half);
    let due = profile
        .held
        .map_or(Timestamp::MIN, |held| held.expires_at.minus(margin + jitter(margin, profile.seed)));
    let due = not_before(
        now,
        due,
        profile.setback.map(|setback| match setback {
            Setback::Refused { retry_at } | Setback::Transient { retry_at } => retry_at,
        }),
    );
    // A retry shortly before the end cannot wait for a whole second.
    let margin = profile.held.map_or(margin, |held| margin.min(held.left(due)));
    let due = batched(due, margin);
    if !refreshable && due.max(now) >= token.expires_at {
        return Renew::Never;
    }
    // If no token will be usable by then (a timer may fire a moment late), the wait of the session counts, too.
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

/// Returns what a background fetch at that time needs first. Only the timer asks: a caller that waits for an answer
/// joins the renewal.
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

/// Returns the next whole second, if the margin is long enough for that not to matter.
fn batched(at: Timestamp, margin: Duration) -> Timestamp {
    let left = Duration::from_nanos(u64::from(at.subsec_nanosecond().unsigned_abs()).abs_diff(1_000_000_000));
    // Before 1970 the fraction is negative; work that is due since then is due now.
    if margin < BATCHED_MARGIN || left.as_secs() == 1 || at < Timestamp::UNIX_EPOCH {
        at
    } else {
        at.plus(left)
    }
}

/// Whether a wait is under way. No wait is longer than its cap: a longer one was set by a clock that has been set back
/// since, so it does not count.
pub fn is_waiting(now: Timestamp, retry_at: Timestamp) -> bool {
    now < retry_at && retry_at <= now.plus(RETRY_MAX + SAME_MOMENT)
}

fn not_before(now: Timestamp, due: Timestamp, retry_at: Option<Timestamp>) -> Timestamp {
    retry_at.filter(|retry_at| is_waiting(now, *retry_at)).map_or(due, |retry_at| due.max(retry_at))
}

/// Returns a share of a margin that depends on the seed.
pub(crate) fn jitter(of: Duration, seed: u64) -> Duration {
    (of * JITTER_PERCENT / 100).mul_f64(fraction(seed))
}

/// Returns the seed as a number from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "jitter needs no more than a float's precision")]
fn fraction(seed: u64) -> f64 {
    (seed >> 11) as f64 / (1u64 << 53) as f64
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

    fn holding(held: Option<Lifetime>, setback: Option<Setback>) -> ProfileFacts {
        ProfileFacts { held, setback, kept_fresh: true, fetching: false, seed: 0 }
    }

    #[test]
    fn what_a_caller_gets() {
        let alive = signed_in(life(0, HOUR));
        let out = SessionFacts { token: TokenState::SignedOut, ..alive };
        let legacy = SessionFacts {
            token: TokenState::SignedIn { token: life(0, HOUR), refreshable: false },
            ..alive
        };
        let hour = Some(life(0, HOUR));
        let retry = |retry_at| Some(Setback::Transient { retry_at: at(retry_at) });
        let refused = |retry_at| Some(Setback::Refused { retry_at: at(retry_at) });
        for (name, now, session, held, setback, serve) in [
            ("fresh credentials", 0, alive, hour, None, Serve::Held),
            ("exactly the floor", HOUR - 900, alive, hour, None, Serve::Held),
            ("under the floor", HOUR - 899, alive, hour, None, Serve::HeldOrNewer),
            ("under the floor, signed out", HOUR - 1, out, hour, None, Serve::Held),
            ("under the floor, AWS unreachable", HOUR - 1, alive, hour, retry(HOUR), Serve::Held),
            ("expired this second", HOUR, alive, hour, None, Serve::Fetch),
            ("expired and signed out", HOUR, out, hour, None, Serve::LoginRequired),
            ("a wait that a wrong clock set", 0, alive, None, retry(7_200), Serve::Fetch),
            ("nothing yet", 0, alive, None, None, Serve::Fetch),
            ("nothing, AWS unreachable", 0, alive, None, retry(1), Serve::Retrying),
            ("nothing, time to retry", 1, alive, None, retry(1), Serve::Fetch),
            ("not assigned", 0, alive, None, refused(300), Serve::NoAccess),
            ("not assigned, retried later", 300, alive, None, refused(300), Serve::Fetch),
            ("an expired legacy token", HOUR, legacy, None, None, Serve::LoginRequired),
        ] {
            let decision = decide(at(now), &session, &holding(held, setback), Floor::CONTAINER);
            assert_eq!(decision.serve, serve, "{name}");
        }
    }

    #[test]
    fn credentials_are_renewed_at_half_of_their_life_and_tokens_with_twenty_minutes_left() {
        let session = signed_in(life(0, HOUR));
        let decision = decide(at(0), &session, &holding(Some(life(0, HOUR)), None), Floor::IMDS);
        assert_eq!(decision.renew, Renew::At(at(HOUR / 2)));
        assert_eq!(renew_token(at(0), &session), Renew::At(at(HOUR - 20 * 60)));
    }

    #[test]
    fn a_back_off_delays_renewals_and_an_unused_profile_has_none() {
        let session = SessionFacts { retry_at: Some(at(HOUR)), ..signed_in(life(0, HOUR)) };
        assert_eq!(renew_token(at(HOUR - 60), &session), Renew::At(at(HOUR)));
        let unused = ProfileFacts { kept_fresh: false, ..holding(None, None) };
        assert_eq!(decide(at(0), &session, &unused, Floor::IMDS).renew, Renew::Never);
    }

    #[test]
    fn renewals_wake_at_whole_seconds_unless_lives_are_short() {
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
    fn profiles_that_were_fetched_at_once_are_not_all_renewed_at_once() {
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
        let alive = signed_in(life(0, HOUR));
        let waits = SessionFacts { retry_at: Some(at(HOUR + 60)), ..alive };
        let out = SessionFacts { token: TokenState::SignedOut, ..alive };
        for (name, now, session, step) in [
            ("a good token", 0, alive, NextStep::Fetch),
            ("seconds left", HOUR - 10, alive, NextStep::RenewToken),
            ("expired", HOUR, alive, NextStep::RenewToken),
            ("seconds left, and renewing failed", HOUR - 10, waits, NextStep::Fetch),
            ("expired, and renewing failed", HOUR, waits, NextStep::AwaitToken),
            ("signed out", 0, out, NextStep::AwaitToken),
        ] {
            assert_eq!(token_step(at(now), &session), step, "{name}");
        }
    }

    #[test]
    fn the_timer_does_one_thing_at_a_time() {
        let alive = signed_in(life(0, HOUR));
        let renewing = SessionFacts { renewing: true, ..alive };
        let nothing = holding(None, None);
        let fetching = ProfileFacts { fetching: true, ..nothing };
        let fresh = holding(Some(life(0, HOUR)), None);
        for (name, now, session, profile, step) in [
            ("nothing held", 0, alive, nothing, NextStep::Fetch),
            ("a fetch is under way", 0, alive, fetching, NextStep::Nothing),
            ("held and fresh", 0, alive, fresh, NextStep::WaitUntil(at(HOUR / 2))),
            ("the token was renewed early", 0, renewing, nothing, NextStep::Fetch),
            ("the token is being renewed", HOUR - 10, renewing, nothing, NextStep::AwaitRenewal),
        ] {
            assert_eq!(decide(at(now), &session, &profile, Floor::CONTAINER).next, step, "{name}");
        }
    }

    #[test]
    fn short_lives_halve_every_margin() {
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
            let setback = retry.map(|retry_at| Setback::Transient { retry_at: at(retry_at) });
            for floor in [Floor::CONTAINER, Floor::IMDS] {
                let decision = decide(at(now), &session, &holding(Some(held), setback), floor);
                if matches!(decision.serve, Serve::Held | Serve::HeldOrNewer) {
                    prop_assert!(at(now) < held.expires_at);
                }
            }
        }

        #[test]
        fn renewal_comes_between_forty_and_fifty_percent_of_a_life(span in 60i64..100_000, seed: u64) {
            let profile = ProfileFacts { seed, ..holding(Some(life(0, span)), None) };
            let Renew::At(due) = decide(at(0), &signed_in(life(0, span)), &profile, Floor::IMDS).renew else {
                return Err(TestCaseError::fail("no renewal"));
            };
            prop_assert!(due <= at(span / 2 + 1) && due >= at(span * 44 / 100), "{due}");
        }

        #[test]
        fn back_off_stays_in_its_bounds(failures in 0u32..100, asked in prop::option::of(0u64..100_000), seed: u64) {
            let wait = backoff(failures, asked.map(Duration::from_secs), RETRY_MAX, seed);
            prop_assert!((RETRY_MIN..=RETRY_MAX).contains(&wait), "{wait:?}");
        }

        #[test]
        fn no_wait_is_longer_than_a_third_of_what_remains(
            failures in 0u32..100, asked in prop::option::of(0u64..100_000), seed: u64,
            span in 1i64..100_000_000, share in 0f64..1.0,
        ) {
            let expires_at = at(0).plus(Duration::from_millis(span.unsigned_abs()));
            let held = Lifetime { issued_at: at(0), expires_at };
            let now = at(0).plus(Duration::from_millis(span.unsigned_abs()).mul_f64(share));
            let remaining = expires_at.since_or_zero(now);
            let wait = backoff(failures, asked.map(Duration::from_secs), held.longest_wait(now), seed);
            prop_assert!(wait <= (remaining / 3).max(SHORTEST_WAIT), "{wait:?} of {remaining:?}");
        }

        #[test]
        fn failures_until_the_end_are_few_and_the_last_is_close_to_it(seed: u64, span in 600i64..50_000) {
            let held = life(0, span);
            let (mut now, mut failures) = (at(span / 2), 0);
            let mut last = now;
            while now < held.expires_at {
                failures += 1;
                last = now;
                now = now.plus(backoff(failures, None, held.longest_wait(now), super::seed((seed, failures))));
            }
            prop_assert!(failures < 400, "{failures} tries");
            prop_assert!(held.expires_at.since_or_zero(last) <= RETRY_MIN, "{last}");
        }

        #[test]
        fn the_timer_retries_before_what_is_held_expires(
            now_ms in 0i64..3_600_000, failures in 1u32..100, seed: u64,
        ) {
            let now = Timestamp::from_millisecond(now_ms).unwrap();
            let held = life(0, HOUR);
            let retry_at = now.plus(backoff(failures, None, held.longest_wait(now), seed));
            // Nothing can be retried in the last moment.
            prop_assume!(held.expires_at.since_or_zero(now) > 3 * SHORTEST_WAIT);
            let setback = Some(Setback::Transient { retry_at });
            let profile = ProfileFacts { seed, ..holding(Some(held), setback) };
            let Renew::At(due) = decide(now, &signed_in(life(0, 10 * HOUR)), &profile, Floor::IMDS).renew else {
                return Err(TestCaseError::fail("no renewal"));
            };
            prop_assert!(due < held.expires_at, "{due}");
            let session = SessionFacts { retry_at: Some(retry_at), seed, ..signed_in(held) };
            let Renew::At(due) = renew_token(now, &session) else {
                return Err(TestCaseError::fail("no renewal"));
            };
            prop_assert!(due < held.expires_at, "{due}");
        }
    }
}
