//! The profile that `ssod use` chose.

use ssod_model::{ProfileName, Timestamp};

/// The active profile, and how long it stays active.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// The profile; initially none.
    pub profile: Option<ProfileName>,
    /// When the choice is reverted, and to which profile.
    pub revert: Option<(Timestamp, Option<ProfileName>)>,
}

/// The current choice.
#[derive(Default)]
pub(crate) struct Selection(Active);

impl Selection {
    /// Returns the choice at that time: a temporary choice reverts when its time has passed.
    pub(crate) fn at(&self, now: Timestamp) -> Active {
        match &self.0.revert {
            Some((until, back)) if *until <= now => Active { profile: back.clone(), revert: None },
            _ => self.0.clone(),
        }
    }

    /// Chooses a profile. A temporary choice reverts to the last permanent choice, even if it is extended.
    pub(crate) fn choose(&mut self, now: Timestamp, profile: Option<ProfileName>, until: Option<Timestamp>) {
        let before = self.at(now);
        let back = match before.revert {
            Some((_, back)) => back,
            None => before.profile,
        };
        self.0 = Active { profile, revert: until.map(|until| (until, back)) };
    }

    /// Restores the choice of an earlier run.
    pub(crate) fn restore(&mut self, active: Active) {
        self.0 = active;
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
        let mut selection = Selection::default();
        selection.choose(at(0), name("readOnlyUser"), None);
        selection.choose(at(10), name("adminUser"), Some(at(100)));
        assert_eq!(selection.at(at(99)).profile, name("adminUser"));
        assert_eq!(selection.at(at(100)), Active { profile: name("readOnlyUser"), revert: None });
    }

    #[test]
    fn extending_a_temporary_choice_reverts_to_the_same_profile() {
        let mut selection = Selection::default();
        selection.choose(at(0), name("readOnlyUser"), None);
        selection.choose(at(10), name("adminUser"), Some(at(100)));
        selection.choose(at(50), name("adminUser"), Some(at(200)));
        assert_eq!(selection.at(at(200)).profile, name("readOnlyUser"));
    }

    #[test]
    fn choosing_no_profile_permanently_never_reverts() {
        let mut selection = Selection::default();
        selection.choose(at(0), name("adminUser"), Some(at(100)));
        selection.choose(at(1), None, None);
        assert_eq!(selection.at(at(500)), Active::default());
    }
}
