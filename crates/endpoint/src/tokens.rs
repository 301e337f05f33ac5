//! The bearer tokens of the container endpoint.

use std::sync::{Mutex, PoisonError, RwLock};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ssod_model::{EndpointTokens, ProfileName, Secret};
use subtle::ConstantTimeEq;

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

    /// Replaces the tokens of these owners, so that callers with an old token are refused. Fails only if the system has
    /// no random numbers.
    pub fn renew(&self, is_renewed: impl Fn(&TokenOwner) -> bool) -> Result<(), getrandom::Error> {
        let mut tokens = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.active.is_some() && is_renewed(&TokenOwner::Active) {
            tokens.active = Some(random_token()?);
        }
        for (profile, token) in &mut tokens.profiles {
            if is_renewed(&TokenOwner::Profile(profile.clone())) {
                *token = random_token()?;
            }
        }
        Ok(())
    }

    /// Creates the tokens that these profiles and the active profile do not have yet, and returns whether it created
    /// any. Fails only if the system has no random numbers.
    pub fn ensure(&self, profiles: &[ProfileName]) -> Result<bool, getrandom::Error> {
        let mut tokens = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut created = false;
        if tokens.active.is_none() {
            tokens.active = Some(random_token()?);
            created = true;
        }
        for profile in profiles {
            if !tokens.profiles.contains_key(profile) {
                tokens.profiles.insert(profile.clone(), random_token()?);
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

    /// Returns that owner's token.
    pub fn of(&self, owner: &TokenOwner) -> Option<Secret> {
        let tokens = self.current.read().unwrap_or_else(PoisonError::into_inner);
        match owner {
            TokenOwner::Profile(profile) => tokens.profiles.get(profile).cloned(),
            TokenOwner::Active => tokens.active.clone(),
        }
    }

    /// Returns whether it is that owner's token. Compares in constant time, so that the time reveals no part of a
    /// token.
    pub(crate) fn matches(&self, owner: &TokenOwner, given: &[u8]) -> bool {
        let tokens = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let expected = match owner {
            TokenOwner::Profile(profile) => tokens.profiles.get(profile),
            TokenOwner::Active => tokens.active.as_ref(),
        };
        expected.is_some_and(|expected| expected.expose().as_bytes().ct_eq(given).into())
    }
}

fn random_token() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_has_its_own_token_and_keeps_it() {
        let names = ["a", "b"].map(|name| ProfileName::parse(name).unwrap());
        let tokens = Tokens::default();
        assert!(tokens.ensure(&names).unwrap() && !tokens.ensure(&names).unwrap());
        let owners = names.clone().map(TokenOwner::Profile);
        let [a, b] =
            [&owners[0], &owners[1]].map(|owner| tokens.of(owner).unwrap().expose().as_bytes().to_owned());
        assert!(tokens.save(|_| Err("the disk is full")).is_err());
        let mut saved = None;
        let save = |all: &EndpointTokens| {
            saved = Some(all.clone());
            Ok::<_, ()>(())
        };
        tokens.save(save).unwrap();
        assert_eq!(saved.unwrap().profiles.len(), 2);
        tokens.save(|_| Err("nothing changed, so nothing is saved")).unwrap();
        assert!(tokens.matches(&owners[0], &a) && !tokens.matches(&owners[0], &b));
        assert!(!tokens.matches(&TokenOwner::Active, &a) && !tokens.matches(&owners[0], b""));
    }
}
