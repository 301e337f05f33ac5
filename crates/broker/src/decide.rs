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
/// A refusal (no such role for this person) is asked again at the earliest after this.
pub const REFUSED_RETRY: Duration = Duration::from_mins(5);
/// What one thread reads as now another one read a moment ago.
const SAME_MOMENT: Duration = Duration::from_secs(2);
/// Renewals are moved earlier by up to this share of the margin, so that profiles do not all renew at once.
const JITTER_PERCENT: u32 = 10;
/// Margins from this length on lose nothing by waiting for the next whole second, so that what falls into the same second
/// wakes the process once.
const BATCHED_MARGIN: Duration = Duration::from_secs(20);

/// When something began and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When it was received.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Lifetime {
    fn half(self) -> Duration {
        self.expires_at.since_or_zero(self.issued_at) / 2
    }

    fn is_over(self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// Short lives: every floor and margin is at most half of the life.
    fn has(self, now: Timestamp, floor: Duration) -> bool {
        self.expires_at.since_or_zero(now) >= floor.min(self.half())
    }
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There are no tokens; a person must sign in.
    SignedOut,
    /// There are tokens.
    SignedIn {
        /// The access token's life.
        token: Lifetime,
        /// Whether there is a refresh token.
        refreshable: bool,
    },
}

/// What counts about a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts {
    /// How it stands.
    pub standing: Standing,
    /// After a transient failure: not before this.
    pub retry_at: Option<Timestamp>,
    /// Spreads renewals; the same for the same session.
    pub seed: u64,
}

/// What went wrong with renewing a profile's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// It may go away by itself.
    Transient {
        /// Not before this.
        retry_at: Timestamp,
    },
    /// AWS says no.
    Refused {
        /// Not before this.
        retry_at: Timestamp,
    },
}

/// What counts about a profile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileFacts {
    /// The credentials in memory.
    pub held: Option<Lifetime>,
    /// What went wrong last, if it was not followed by a success.
    pub setback: Option<Setback>,
    /// Whether the timer keeps it fresh; others are fetched when somebody asks.
    pub kept_fresh: bool,
    /// Spreads renewals; the same for the same profile.
    pub seed: u64,
}

/// What a caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// What is in memory.
    Held,
    /// What is in memory is good but runs short: newer where it can be had in the caller's patience.
    HeldOrNewer,
    /// A fetch.
    Fetch,
    /// A refusal: somebody must sign in.
    LoginRequired,
    /// A refusal: the role is not assigned.
    NoAccess,
    /// A refusal: AWS did not answer, and it is not yet time to ask again.
    Retrying,
}

/// When to renew without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renew {
    /// Not by the timer.
    Never,
    /// At this time, or at once where it has passed.
    At(Timestamp),
}

/// The answer for one profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What a caller gets now.
    pub serve: Serve,
    /// What the timer does.
    pub renew: Renew,
}

/// Decides for one profile; it serves the request and the timer alike.
pub fn decide(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts, floor: Floor) -> Decision {
    let held = profile.held.filter(|held| !held.is_over(now));
    let fetch = can_fetch(now, session, profile);
    let serve = match (held, fetch) {
        (Some(held), _) if held.has(now, floor.0) => Serve::Held,
        (Some(_), Ok(())) => Serve::HeldOrNewer,
        (Some(_), Err(_)) => Serve::Held,
        (None, Ok(())) => Serve::Fetch,
        (None, Err(refusal)) => refusal,
    };
    Decision { serve, renew: renew_credentials(now, session, profile) }
}

/// Whether a fetch may bring credentials now: nobody need sign in, and no wait is under way.
pub fn may_fetch(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts) -> bool {
    can_fetch(now, session, profile).is_ok()
}

/// When the session's tokens are to be renewed.
pub fn renew_token(now: Timestamp, session: &SessionFacts) -> Renew {
    match session.standing {
        Standing::SignedIn { token, refreshable: true } => {
            let margin = TOKEN_MARGIN.min(token.half());
            let due = token.expires_at.minus(margin + jitter(margin, session.seed));
            Renew::At(batched(not_before(now, due, session.retry_at), margin))
        }
        Standing::SignedIn { refreshable: false, .. } | Standing::SignedOut => Renew::Never,
    }
}

/// Whether the access token may be shown to the portal; one that ends within the call is renewed before.
pub fn token_usable(now: Timestamp, token: Lifetime) -> bool {
    token.has(now, Duration::from_mins(1).min(token.half() / 2).max(Duration::from_millis(1)))
}

/// How long to wait after the given number of failures in a row: full jitter, doubling from
/// [`RETRY_MIN`] to [`RETRY_MAX`], and at most half of a short life.
pub fn backoff(failures: u32, asked: Option<Duration>, life: Option<Duration>, seed: u64) -> Duration {
    let upper = RETRY_MIN.saturating_mul(1 << failures.min(10)).min(RETRY_MAX);
    let upper = life.map_or(upper, |life| upper.min((life / 2).max(Duration::from_millis(100))));
    let drawn = upper.mul_f64(fraction(seed));
    let wait = drawn.max(RETRY_MIN.min(upper));
    // A server that names an absurd wait does not silence ssod for longer than its own cap.
    asked.map_or(wait, |asked| wait.max(asked.min(RETRY_MAX)))
}

/// A number that is the same for the same things and spread evenly over different ones.
pub fn seed(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn can_fetch(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts) -> Result<(), Serve> {
    let waits = |retry_at: Timestamp| is_waiting(now, retry_at);
    match session.standing {
        Standing::SignedOut => return Err(Serve::LoginRequired),
        Standing::SignedIn { token, refreshable: false } if token.is_over(now) => {
            return Err(Serve::LoginRequired);
        }
        Standing::SignedIn { token, .. } if token.is_over(now) && session.retry_at.is_some_and(waits) => {
            return Err(Serve::Retrying);
        }
        Standing::SignedIn { .. } => {}
    }
    match profile.setback {
        Some(Setback::Refused { retry_at }) if waits(retry_at) => Err(Serve::NoAccess),
        Some(Setback::Transient { retry_at }) if waits(retry_at) => Err(Serve::Retrying),
        _ => Ok(()),
    }
}

/// Credentials are renewed at half of their life, so that an outage of a quarter of it stays invisible.
fn renew_credentials(now: Timestamp, session: &SessionFacts, profile: &ProfileFacts) -> Renew {
    let Standing::SignedIn { token, refreshable } = session.standing else { return Renew::Never };
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
    let due = batched(due, margin);
    if !refreshable && due.max(now) >= token.expires_at {
        return Renew::Never;
    }
    // Where there will be no usable token by then (a timer rings a moment late), the session's own wait counts too.
    let due = if token.is_over(due.max(now).plus(RETRY_MIN)) {
        not_before(now, due, session.retry_at)
    } else {
        due
    };
    Renew::At(batched(due, margin))
}

/// What a background fetch needs first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing: it can go out.
    Ready,
    /// The token is about to end, or has ended, and can be renewed first.
    RenewToken,
    /// There is no token to be had at present.
    Wait,
}

/// Whether a call to the portal can go out under the session's token. Only the timer asks: whoever waits for an answer
/// joins the renewal.
pub fn readiness(now: Timestamp, session: &SessionFacts) -> Readiness {
    match session.standing {
        Standing::SignedOut => Readiness::Wait,
        Standing::SignedIn { token, refreshable: false } if token.is_over(now) => Readiness::Wait,
        Standing::SignedIn { token, refreshable } if !refreshable || token_usable(now, token) => {
            Readiness::Ready
        }
        Standing::SignedIn { token, .. } if session.retry_at.is_some_and(|at| is_waiting(now, at)) => {
            // A token that has seconds left is better than none.
            if token.is_over(now) { Readiness::Wait } else { Readiness::Ready }
        }
        Standing::SignedIn { .. } => Readiness::RenewToken,
    }
}

/// The next whole second, where the margin is long enough for that not to matter.
fn batched(at: Timestamp, margin: Duration) -> Timestamp {
    let left = Duration::from_nanos(u64::from(at.subsec_nanosecond().unsigned_abs()).abs_diff(1_000_000_000));
    // Before 1970 the fraction counts the other way; what is due since then is due now.
    if margin < BATCHED_MARGIN || left.as_secs() == 1 || at < Timestamp::UNIX_EPOCH {
        at
    } else {
        at.plus(left)
    }
}

/// Whether a wait is under way. No wait is longer than its cap: one that seems so was set by a clock that has been
/// set back since, and counts for nothing.
pub fn is_waiting(now: Timestamp, retry_at: Timestamp) -> bool {
    now < retry_at && retry_at <= now.plus(RETRY_MAX + SAME_MOMENT)
}

fn not_before(now: Timestamp, due: Timestamp, retry_at: Option<Timestamp>) -> Timestamp {
    retry_at.filter(|retry_at| is_waiting(now, *retry_at)).map_or(due, |retry_at| due.max(retry_at))
}

pub(crate) fn jitter(of: Duration, seed: u64) -> Duration {
    (of * JITTER_PERCENT / 100).mul_f64(fraction(seed))
}

/// The seed as a number from 0 to 1.
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
        SessionFacts { standing: Standing::SignedIn { token, refreshable: true }, retry_at: None, seed: 0 }
    }

    fn holding(held: Option<Lifetime>, setback: Option<Setback>) -> ProfileFacts {
        ProfileFacts { held, setback, kept_fresh: true, seed: 0 }
    }

    #[test]
    fn what_a_caller_gets() {
        let alive = signed_in(life(0, HOUR));
        let out = SessionFacts { standing: Standing::SignedOut, ..alive };
        let legacy = SessionFacts {
            standing: Standing::SignedIn { token: life(0, HOUR), refreshable: false },
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
            ("under the floor, AWS away", HOUR - 1, alive, hour, retry(HOUR), Serve::Held),
            ("expired this second", HOUR, alive, hour, None, Serve::Fetch),
            ("expired and signed out", HOUR, out, hour, None, Serve::LoginRequired),
            ("a wait that a wrong clock set", 0, alive, None, retry(7_200), Serve::Fetch),
            ("nothing yet", 0, alive, None, None, Serve::Fetch),
            ("nothing, AWS away", 0, alive, None, retry(1), Serve::Retrying),
            ("nothing, time to try again", 1, alive, None, retry(1), Serve::Fetch),
            ("not assigned", 0, alive, None, refused(300), Serve::NoAccess),
            ("not assigned, asked again later", 300, alive, None, refused(300), Serve::Fetch),
            ("a legacy token that ended", HOUR, legacy, None, None, Serve::LoginRequired),
        ] {
            let decision = decide(at(now), &session, &holding(held, setback), Floor::CONTAINER);
            assert_eq!(decision.serve, serve, "{name}");
        }
    }

    #[test]
    fn an_hour_is_renewed_at_half_and_a_token_with_twenty_minutes_left() {
        let session = signed_in(life(0, HOUR));
        let decision = decide(at(0), &session, &holding(Some(life(0, HOUR)), None), Floor::IMDS);
        assert_eq!(decision.renew, Renew::At(at(HOUR / 2)));
        assert_eq!(renew_token(at(0), &session), Renew::At(at(HOUR - 20 * 60)));
    }

    #[test]
    fn a_back_off_moves_renewals_later_and_a_resting_profile_has_none() {
        let session = SessionFacts { retry_at: Some(at(HOUR)), ..signed_in(life(0, HOUR)) };
        assert_eq!(renew_token(at(HOUR - 60), &session), Renew::At(at(HOUR)));
        let resting = ProfileFacts { kept_fresh: false, ..holding(None, None) };
        assert_eq!(decide(at(0), &session, &resting, Floor::IMDS).renew, Renew::Never);
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
    fn a_background_fetch_renews_the_token_first_where_it_is_about_to_end() {
        let alive = signed_in(life(0, HOUR));
        let waits = SessionFacts { retry_at: Some(at(HOUR + 60)), ..alive };
        let out = SessionFacts { standing: Standing::SignedOut, ..alive };
        for (name, now, session, needs) in [
            ("a good token", 0, alive, Readiness::Ready),
            ("seconds left", HOUR - 10, alive, Readiness::RenewToken),
            ("over", HOUR, alive, Readiness::RenewToken),
            ("seconds left, and renewing failed", HOUR - 10, waits, Readiness::Ready),
            ("over, and renewing failed", HOUR, waits, Readiness::Wait),
            ("signed out", 0, out, Readiness::Wait),
        ] {
            assert_eq!(readiness(at(now), &session), needs, "{name}");
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
            let wait = backoff(failures, asked.map(Duration::from_secs), None, seed);
            prop_assert!((RETRY_MIN..=RETRY_MAX).contains(&wait), "{wait:?}");
        }
    }
}
