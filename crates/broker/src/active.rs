//! The profile that `ssod use` chose.

use ssod_model::{ProfileName, Timestamp};

/// What is active, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// The profile; at first none.
    pub profile: Option<ProfileName>,
    /// When it goes back, and to what.
    pub revert: Option<(Timestamp, Option<ProfileName>)>,
}

/// The choice, with its way back.
#[derive(Default)]
pub(crate) struct Selection(Active);

impl Selection {
    /// What counts now: a choice for a time ends by the clock, without anybody doing anything.
    pub(crate) fn at(&self, now: Timestamp) -> Active {
        match &self.0.revert {
            Some((until, back)) if *until <= now => Active { profile: back.clone(), revert: None },
            _ => self.0.clone(),
        }
    }

    /// Chooses. For a time, it goes back to what was chosen without a time, however often it is prolonged.
    pub(crate) fn choose(&mut self, now: Timestamp, profile: Option<ProfileName>, until: Option<Timestamp>) {
        let before = self.at(now);
        let back = match before.revert {
            Some((_, back)) => back,
            None => before.profile,
        };
        self.0 = Active { profile, revert: until.map(|until| (until, back)) };
    }

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
    fn a_choice_for_a_time_goes_back_by_itself() {
        let mut selection = Selection::default();
        selection.choose(at(0), name("readOnlyUser"), None);
        selection.choose(at(10), name("adminUser"), Some(at(100)));
        assert_eq!(selection.at(at(99)).profile, name("adminUser"));
        assert_eq!(selection.at(at(100)), Active { profile: name("readOnlyUser"), revert: None });
    }

    #[test]
    fn prolonging_keeps_the_way_back() {
        let mut selection = Selection::default();
        selection.choose(at(0), name("readOnlyUser"), None);
        selection.choose(at(10), name("adminUser"), Some(at(100)));
        selection.choose(at(50), name("adminUser"), Some(at(200)));
        assert_eq!(selection.at(at(200)).profile, name("readOnlyUser"));
    }

    #[test]
    fn choosing_none_for_good_forgets_the_way_back() {
        let mut selection = Selection::default();
        selection.choose(at(0), name("adminUser"), Some(at(100)));
        selection.choose(at(1), None, None);
        assert_eq!(selection.at(at(500)), Active::default());
    }
}
