//! The bearer tokens of the container endpoint.

use std::sync::{Mutex, PoisonError, RwLock};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ssod_model::{EndpointTokens, ProfileName, Secret};
use subtle::ConstantTimeEq;

/// The tokens in force: one for each profile, and one that follows `ssod use`.
#[derive(Debug, Default)]
pub struct Tokens {
    current: RwLock<EndpointTokens>,
    /// What rests on disk. Held while it is written, so that an older set never replaces a newer one.
    saved: Mutex<EndpointTokens>,
}

impl Tokens {
    /// Takes over what was kept.
    pub fn replace(&self, tokens: EndpointTokens) {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = tokens.clone();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    /// Forgets all tokens, here; what was kept stays.
    pub fn forget(&self) {
        self.replace(EndpointTokens::default());
    }

    /// Makes a new token in the place of each one of these profiles, or of all; what had an old one is refused from now
    /// on. Fails only where the system has no random numbers.
    pub fn renew(&self, which: impl Fn(Option<&ProfileName>) -> bool) -> Result<(), getrandom::Error> {
        let mut tokens = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.active.is_some() && which(None) {
            tokens.active = Some(random()?);
        }
        for (profile, token) in &mut tokens.profiles {
            if which(Some(profile)) {
                *token = random()?;
            }
        }
        Ok(())
    }

    /// Makes the tokens that are missing for these profiles, and tells whether any was. Fails only where the system has
    /// no random numbers.
    pub fn ensure(&self, profiles: &[ProfileName]) -> Result<bool, getrandom::Error> {
        let mut tokens = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut made = false;
        if tokens.active.is_none() {
            tokens.active = Some(random()?);
            made = true;
        }
        for profile in profiles {
            if !tokens.profiles.contains_key(profile) {
                tokens.profiles.insert(profile.clone(), random()?);
                made = true;
            }
        }
        Ok(made)
    }

    /// Saves them where they differ from what was saved last; a failed save is tried again at the next call.
    pub fn save<E>(&self, save: impl FnOnce(&EndpointTokens) -> Result<(), E>) -> Result<(), E> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        if *saved != current {
            save(&current)?;
            *saved = current;
        }
        Ok(())
    }

    /// The token of that profile, or the one that follows `ssod use`.
    pub fn of(&self, profile: Option<&ProfileName>) -> Option<Secret> {
        let tokens = self.current.read().unwrap_or_else(PoisonError::into_inner);
        match profile {
            Some(profile) => tokens.profiles.get(profile).cloned(),
            None => tokens.active.clone(),
        }
    }

    /// Whether it is that token. Takes the same time for every wrong one of the right length.
    pub(crate) fn matches(&self, profile: Option<&ProfileName>, given: &[u8]) -> bool {
        let tokens = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let expected = match profile {
            Some(profile) => tokens.profiles.get(profile),
            None => tokens.active.as_ref(),
        };
        expected.is_some_and(|expected| expected.expose().as_bytes().ct_eq(given).into())
    }
}

fn random() -> Result<Secret, getrandom::Error> {
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
        let [a, b] =
            [&names[0], &names[1]].map(|name| tokens.of(Some(name)).unwrap().expose().as_bytes().to_owned());
        assert!(tokens.save(|_| Err("the disk is full")).is_err());
        let mut kept = None;
        let keep = |all: &EndpointTokens| {
            kept = Some(all.clone());
            Ok::<_, ()>(())
        };
        tokens.save(keep).unwrap();
        assert_eq!(kept.unwrap().profiles.len(), 2);
        tokens.save(|_| Err("nothing changed, so nothing is saved")).unwrap();
        assert!(tokens.matches(Some(&names[0]), &a) && !tokens.matches(Some(&names[0]), &b));
        assert!(!tokens.matches(None, &a) && !tokens.matches(Some(&names[0]), b""));
    }
}
