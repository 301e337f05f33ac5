//! The active profile, which `ssod use` chooses.

use ssod_model::{ProfileName, Timestamp};

/// The choice of the active profile, and how long it stays in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChoice {
    /// The active profile; initially none.
    pub profile: Option<ProfileName>,
    /// The end of a temporary choice; `None` if the choice is permanent.
    pub revert: Option<Revert>,
}

/// The end of a temporary choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// When the temporary choice ends.
    pub at: Timestamp,
    /// The active profile from then on.
    pub to: Option<ProfileName>,
}

/// The choice in effect.
#[derive(Default)]
pub(crate) struct CurrentChoice(ProfileChoice);

impl CurrentChoice {
    /// Returns the choice at that time: a temporary choice reverts when it ends.
    pub(crate) fn at(&self, now: Timestamp) -> ProfileChoice {
        match &self.0.revert {
            Some(Revert { at, to }) if *at <= now => ProfileChoice { profile: to.clone(), revert: None },
            _ => self.0.clone(),
        }
    }

    /// Chooses a profile. A temporary choice reverts to the last permanent choice, even if it is extended.
    pub(crate) fn choose(&mut self, now: Timestamp, profile: Option<ProfileName>, until: Option<Timestamp>) {
        let before = self.at(now);
        let permanent = match before.revert {
            Some(revert) => revert.to,
            None => before.profile,
        };
        self.0 = ProfileChoice { profile, revert: until.map(|at| Revert { at, to: permanent }) };
    }

    /// Restores the choice of an earlier run.
    pub(crate) fn restore(&mut self, choice: ProfileChoice) {
        self.0 = choice;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[expect(clippy::unnecessary_wraps, reason = "a choice may be none")]
    fn name(text: &str) -> Option<ProfileName> {
        Some(ProfileName::parse(text).unwrap())
    }

    #[test]
    fn a_temporary_choice_reverts_automatically() {
        let mut choice = CurrentChoice::default();
        choice.choose(at(0), name("readOnlyUser"), None);
        choice.choose(at(10), name("adminUser"), Some(at(100)));
        assert_eq!(choice.at(at(99)).profile, name("adminUser"));
        assert_eq!(choice.at(at(100)), ProfileChoice { profile: name("readOnlyUser"), revert: None });
    }

    #[test]
    fn extending_a_temporary_choice_reverts_to_the_same_profile() {
        let mut choice = CurrentChoice::default();
        choice.choose(at(0), name("readOnlyUser"), None);
        choice.choose(at(10), name("adminUser"), Some(at(100)));
        choice.choose(at(50), name("adminUser"), Some(at(200)));
        assert_eq!(choice.at(at(200)).profile, name("readOnlyUser"));
    }

    #[test]
    fn choosing_no_profile_permanently_never_reverts() {
        let mut choice = CurrentChoice::default();
        choice.choose(at(0), name("adminUser"), Some(at(100)));
        choice.choose(at(1), None, None);
        assert_eq!(choice.at(at(500)), ProfileChoice::default());
    }
}
