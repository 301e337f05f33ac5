//! The bearer tokens of the container endpoint. They are renewed daily, and the previous ones stay valid for another
//! day, so that a token in an old dump of an environment is worth little, and no open shell breaks within the day.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ssod_model::{EndpointTokens, ProfileName, Secret, Timestamp, TimestampExt, TokenSet};
use subtle::ConstantTimeEq;

/// How long tokens are current. After the renewal, they stay valid for the same time again.
pub const RENEWAL_INTERVAL: Duration = Duration::from_hours(24);

/// The profile whose credentials a token gives access to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOwner {
    /// The profile that is active at the time of the request.
    Active,
    /// This profile.
    Profile(ProfileName),
}

impl TokenOwner {
    /// Returns the profile; `None` for the active one, which changes.
    pub fn profile(&self) -> Option<&ProfileName> {
        match self {
            Self::Active => None,
            Self::Profile(name) => Some(name),
        }
    }

    /// Returns the owners of all tokens: the active profile, then these profiles.
    pub fn all(profiles: &[ProfileName]) -> impl Iterator<Item = Self> {
        std::iter::once(Self::Active).chain(profiles.iter().cloned().map(Self::Profile))
    }
}

/// The tokens in force: one for each profile, and one for the active profile.
#[derive(Debug, Default)]
pub struct Tokens {
    current: RwLock<EndpointTokens>,
    /// What is on disk. The lock is held during a save, so that an older set never replaces a newer one.
    saved: Mutex<EndpointTokens>,
}

impl Tokens {
    /// Replaces all tokens with those that were loaded from disk.
    pub fn replace(&self, tokens: EndpointTokens) {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = tokens.clone();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    /// Removes all tokens from memory; the saved ones remain on disk.
    pub fn forget(&self) {
        self.replace(EndpointTokens::default());
    }

    /// Replaces the tokens of these owners, so that callers with the present or the previous token are refused. Fails
    /// only if the system has no random numbers.
    pub fn revoke(&self, is_revoked: impl Fn(&TokenOwner) -> bool) -> Result<(), getrandom::Error> {
        let mut tokens = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let EndpointTokens { current, previous } = &mut *tokens;
        if let Some(previous) = previous {
            previous.active.take_if(|_| is_revoked(&TokenOwner::Active));
            previous.profiles.retain(|profile, _| !is_revoked(&TokenOwner::Profile(profile.clone())));
        }
        if current.active.is_some() && is_revoked(&TokenOwner::Active) {
            current.active = Some(random_token()?);
        }
        for (profile, token) in &mut current.profiles {
            if is_revoked(&TokenOwner::Profile(profile.clone())) {
                *token = random_token()?;
            }
        }
        Ok(())
    }

    /// Returns the tokens after a renewal; `None` if none is due. The caller saves them and then
    /// [puts them in force](Self::replace). Fails only if the system has no random numbers.
    pub fn renewed(&self, now: Timestamp) -> Result<Option<EndpointTokens>, getrandom::Error> {
        let tokens = self.current.read().unwrap_or_else(PoisonError::into_inner);
        renew(&tokens, now)
    }

    /// Returns when the next renewal is due; `None` if there are no tokens.
    pub fn renewal_at(&self, now: Timestamp) -> Option<Timestamp> {
        let tokens = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if is_empty(&tokens.current) {
            return None;
        }
        let issued_at =
            tokens.current.issued_at.filter(|issued_at| is_within(*issued_at, now, RENEWAL_INTERVAL));
        Some(issued_at.map_or(now, |issued_at| issued_at.plus(RENEWAL_INTERVAL)))
    }

    /// Creates the tokens that these profiles and the active profile do not have yet, and returns whether it created
    /// any. Fails only if the system has no random numbers.
    pub fn ensure(&self, profiles: &[ProfileName], now: Timestamp) -> Result<bool, getrandom::Error> {
        let mut tokens = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let current = &mut tokens.current;
        if is_empty(current) {
            current.issued_at = Some(now);
        }
        let mut created = false;
        if current.active.is_none() {
            current.active = Some(random_token()?);
            created = true;
        }
        for profile in profiles {
            if !current.profiles.contains_key(profile) {
                current.profiles.insert(profile.clone(), random_token()?);
                created = true;
            }
        }
        Ok(created)
    }

    /// Saves the tokens if they differ from those that were saved last; the next call repeats a failed save.
    pub fn save<E>(&self, save: impl FnOnce(&EndpointTokens) -> Result<(), E>) -> Result<(), E> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        if *saved != current {
            save(&current)?;
            *saved = current;
        }
        Ok(())
    }

    /// Returns that owner's current token.
    pub fn of(&self, owner: &TokenOwner) -> Option<Secret> {
        let tokens = self.current.read().unwrap_or_else(PoisonError::into_inner);
        token(&tokens.current, owner).cloned()
    }

    /// Returns whether it is that owner's current token, or the previous one while that is valid. Compares in constant
    /// time, so that the time reveals no part of a token.
    pub(crate) fn matches(&self, owner: &TokenOwner, given: &[u8], now: Timestamp) -> bool {
        let tokens = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let previous = tokens.previous.as_ref().filter(|_| is_previous_valid(&tokens, now));
        let accepted = [Some(&tokens.current), previous].into_iter().flatten();
        accepted
            .filter_map(|set| token(set, owner))
            .fold(false, |found, expected| found | bool::from(expected.expose().as_bytes().ct_eq(given)))
    }
}

fn token<'t>(set: &'t TokenSet, owner: &TokenOwner) -> Option<&'t Secret> {
    match owner {
        TokenOwner::Profile(profile) => set.profiles.get(profile),
        TokenOwner::Active => set.active.as_ref(),
    }
}

fn is_empty(set: &TokenSet) -> bool {
    set.active.is_none() && set.profiles.is_empty()
}

/// Returns whether the two times are less than that apart. A time in the future counts like one in the past, so a clock
/// that was set back prolongs nothing by more than the interval.
fn is_within(issued_at: Timestamp, now: Timestamp, interval: Duration) -> bool {
    now.since_or_zero(issued_at).max(issued_at.since_or_zero(now)) < interval
}

/// Returns whether the previous tokens are still accepted: within an interval after the renewal, and within two after
/// they were issued, however late the renewal was.
fn is_previous_valid(tokens: &EndpointTokens, now: Timestamp) -> bool {
    let renewed = tokens.current.issued_at.is_some_and(|at| is_within(at, now, RENEWAL_INTERVAL));
    renewed && tokens.previous.as_ref().is_some_and(|previous| is_young_enough(previous, now))
}

/// The age of tokens of an earlier version is unknown; they count as young, so that an upgrade breaks no shell.
fn is_young_enough(set: &TokenSet, now: Timestamp) -> bool {
    set.issued_at.is_none_or(|at| is_within(at, now, RENEWAL_INTERVAL.saturating_mul(2)))
}

fn renew(tokens: &EndpointTokens, now: Timestamp) -> Result<Option<EndpointTokens>, getrandom::Error> {
    let TokenSet { issued_at, active, profiles } = &tokens.current;
    if is_empty(&tokens.current) || issued_at.is_some_and(|at| is_within(at, now, RENEWAL_INTERVAL)) {
        return Ok(None);
    }
    let current = TokenSet {
        issued_at: Some(now),
        active: active.as_ref().map(|_| random_token()).transpose()?,
        profiles: profiles
            .keys()
            .map(|profile| Ok((profile.clone(), random_token()?)))
            .collect::<Result<_, getrandom::Error>>()?,
    };
    let previous = Some(&tokens.current).filter(|set| is_young_enough(set, now)).cloned();
    Ok(Some(EndpointTokens { current, previous }))
}

fn random_token() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const START: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(START + seconds).unwrap()
    }

    /// Returns tokens of one profile that were issued at the start, and the profile's token.
    fn issued() -> (Tokens, TokenOwner, Vec<u8>) {
        let name = ProfileName::parse("a").unwrap();
        let tokens = Tokens::default();
        assert!(tokens.ensure(std::slice::from_ref(&name), at(0)).unwrap());
        let owner = TokenOwner::Profile(name);
        let token = bytes(&tokens, &owner);
        (tokens, owner, token)
    }

    fn bytes(tokens: &Tokens, owner: &TokenOwner) -> Vec<u8> {
        tokens.of(owner).unwrap().expose().as_bytes().to_owned()
    }

    fn renew_at(tokens: &Tokens, now: Timestamp) -> bool {
        let renewed = tokens.renewed(now).unwrap();
        renewed.map(|renewed| tokens.replace(renewed)).is_some()
    }

    #[test]
    fn each_profile_has_its_own_token_and_keeps_it() {
        let names = ["a", "b"].map(|name| ProfileName::parse(name).unwrap());
        let tokens = Tokens::default();
        assert!(tokens.ensure(&names, at(0)).unwrap() && !tokens.ensure(&names, at(9)).unwrap());
        let owners = names.clone().map(TokenOwner::Profile);
        let [a, b] = [&owners[0], &owners[1]].map(|owner| bytes(&tokens, owner));
        assert!(tokens.save(|_| Err("the disk is full")).is_err());
        let mut saved = None;
        let save = |all: &EndpointTokens| {
            saved = Some(all.clone());
            Ok::<_, ()>(())
        };
        tokens.save(save).unwrap();
        assert_eq!(saved.unwrap().current.profiles.len(), 2);
        tokens.save(|_| Err("nothing changed, so nothing is saved")).unwrap();
        let now = at(9);
        assert!(tokens.matches(&owners[0], &a, now) && !tokens.matches(&owners[0], &b, now));
        assert!(!tokens.matches(&TokenOwner::Active, &a, now) && !tokens.matches(&owners[0], b"", now));
    }

    #[test]
    fn tokens_are_renewed_after_a_day_and_the_previous_ones_are_valid_for_another_day() {
        let (tokens, owner, first) = issued();
        assert_eq!(tokens.renewal_at(at(5)), Some(at(DAY)));
        assert!(!renew_at(&tokens, at(DAY - 1)));
        assert!(renew_at(&tokens, at(DAY)) && !renew_at(&tokens, at(DAY)));
        let second = bytes(&tokens, &owner);
        assert_ne!(first, second);
        for (now, is_valid) in [(at(DAY), true), (at(2 * DAY - 1), true), (at(2 * DAY), false)] {
            assert_eq!(tokens.matches(&owner, &first, now), is_valid, "{now}");
            assert!(tokens.matches(&owner, &second, now), "{now}");
        }
        assert!(renew_at(&tokens, at(2 * DAY)));
        assert!(!tokens.matches(&owner, &first, at(2 * DAY)) && tokens.matches(&owner, &second, at(2 * DAY)));
    }

    #[test]
    fn after_a_week_without_power_no_old_token_is_valid() {
        let (tokens, owner, first) = issued();
        assert!(renew_at(&tokens, at(DAY)));
        let second = bytes(&tokens, &owner);
        let now = at(8 * DAY);
        assert_eq!(tokens.renewal_at(now), Some(now), "due at once");
        assert!(renew_at(&tokens, now));
        assert!(!tokens.matches(&owner, &first, now) && !tokens.matches(&owner, &second, now));
        assert!(tokens.matches(&owner, &bytes(&tokens, &owner), now));
    }

    #[test]
    fn a_late_renewal_prolongs_no_token() {
        let (tokens, owner, first) = issued();
        assert!(renew_at(&tokens, at(DAY + DAY / 2)));
        assert!(tokens.matches(&owner, &first, at(2 * DAY - 1)));
        assert!(!tokens.matches(&owner, &first, at(2 * DAY)));
    }

    #[test]
    fn a_clock_that_is_set_back_prolongs_no_token_for_long_and_breaks_no_shell_if_it_was_set_back_a_little() {
        let (tokens, owner, first) = issued();
        assert!(renew_at(&tokens, at(DAY)));
        let an_hour_back = at(DAY - 3_600);
        assert!(!renew_at(&tokens, an_hour_back) && tokens.matches(&owner, &first, an_hour_back));
        let second = bytes(&tokens, &owner);
        let a_week_back = at(-6 * DAY);
        assert!(!tokens.matches(&owner, &first, a_week_back));
        assert!(renew_at(&tokens, a_week_back), "the issue time is in the future");
        assert!(!tokens.matches(&owner, &second, a_week_back));
        assert!(tokens.matches(&owner, &bytes(&tokens, &owner), a_week_back));
    }

    #[test]
    fn tokens_of_an_earlier_version_are_renewed_at_once_and_valid_for_a_day() {
        let (tokens, owner, first) = issued();
        let current = TokenSet { issued_at: None, ..tokens.current.read().unwrap().current.clone() };
        tokens.replace(EndpointTokens { current, previous: None });
        assert!(renew_at(&tokens, at(DAY)));
        assert!(
            tokens.matches(&owner, &first, at(2 * DAY - 1)) && !tokens.matches(&owner, &first, at(2 * DAY))
        );
    }

    #[test]
    fn a_revocation_also_revokes_the_previous_tokens() {
        let (tokens, owner, first) = issued();
        assert!(renew_at(&tokens, at(DAY)));
        let (second, active) = (bytes(&tokens, &owner), bytes(&tokens, &TokenOwner::Active));
        tokens.revoke(|revoked| *revoked == owner).unwrap();
        let now = at(DAY);
        assert!(!tokens.matches(&owner, &first, now) && !tokens.matches(&owner, &second, now));
        assert!(tokens.matches(&TokenOwner::Active, &active, now));
    }
}
