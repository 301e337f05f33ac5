//! The role that credentials are for.

use std::fmt;

use crate::{AccountId, InvalidName, Profile, RoleName, SessionName};

/// A role in an account, through a session. If any of the three changes, older credentials are void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleId {
    /// The account of the role.
    pub account_id: AccountId,
    /// The name of the permission set.
    pub role_name: RoleName,
    /// The session that issues the credentials.
    pub session: SessionName,
}

impl RoleId {
    /// Parses the form that [`Display`](fmt::Display) writes, "ACCOUNT/ROLE through SESSION". The vault's cache stores
    /// it.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (role, session) = text.split_once(" through ").unwrap_or((text, ""));
        let (account_id, role_name) = role.split_once('/').unwrap_or((role, ""));
        Ok(Self {
            account_id: AccountId::parse(account_id)?,
            role_name: RoleName::parse(role_name)?,
            session: SessionName::parse(session)?,
        })
    }

    /// Returns whether the profile names this role. It does not allocate, because every request calls it.
    pub fn is_of(&self, profile: &Profile) -> bool {
        (&self.account_id, &self.role_name, &self.session)
            == (&profile.account_id, &profile.role_name, &profile.session)
    }
}

impl From<&Profile> for RoleId {
    fn from(profile: &Profile) -> Self {
        let Profile { account_id, role_name, session, .. } = profile;
        Self { account_id: account_id.clone(), role_name: role_name.clone(), session: session.clone() }
    }
}

impl fmt::Display for RoleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{} through {}", self.account_id, self.role_name, self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_that_the_cache_stores_is_parsed() {
        let text = "123456789012/AdminRole through my session";
        let role = RoleId::parse(text).unwrap();
        assert_eq!((role.role_name.as_str(), role.session.as_str()), ("AdminRole", "my session"));
        assert_eq!(role.to_string(), text);
        for broken in ["", "123456789012", "123456789012/AdminRole", "1/AdminRole through s"] {
            assert!(RoleId::parse(broken).is_err(), "{broken}");
        }
    }
}
