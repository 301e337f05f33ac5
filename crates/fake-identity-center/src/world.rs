//! Who there is and who may do what, from a TOML file.

use serde::Deserialize;
use std::fmt::Write as _;

/// The directory, the accounts and the assignments.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// The people.
    #[serde(default, rename = "user")]
    pub users: Vec<User>,
    /// The AWS accounts.
    #[serde(default, rename = "account")]
    pub accounts: Vec<Account>,
    /// The permission sets.
    #[serde(default, rename = "permission_set")]
    pub permission_sets: Vec<PermissionSet>,
    /// Who may use what where.
    #[serde(default, rename = "assignment")]
    pub assignments: Vec<Assignment>,
    /// Suggested `[sso-session]` blocks.
    #[serde(default, rename = "session")]
    pub sessions: Vec<Session>,
    /// Suggested `[profile]` blocks.
    #[serde(default, rename = "profile")]
    pub profiles: Vec<Profile>,
}

/// A person.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The sign-in name.
    pub name: String,
}

/// An AWS account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its owner's address.
    #[serde(default)]
    pub email: String,
}

/// A permission set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionSet {
    /// The role name that GetRoleCredentials takes.
    pub name: String,
    /// How long its credentials last, in seconds; without it, the server's setting.
    pub session_seconds: Option<u64>,
}

/// Somebody may use a permission set in an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Who.
    pub user: String,
    /// Where.
    pub account: String,
    /// What.
    pub role: String,
}

/// A suggested `[sso-session]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its name.
    pub name: String,
}

/// A suggested `[profile]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its session.
    pub session: String,
    /// Its account.
    pub account: String,
    /// Its role.
    pub role: String,
}

impl World {
    /// Reads a world; fails with the parser's own words.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The world of `seed.toml`: alice and bob, `AdminRole` and `ReadOnlyRole`.
    pub fn seed() -> Self {
        Self::parse(include_str!("seed.toml")).unwrap_or_default()
    }

    /// The suggested blocks in AWS's own form.
    pub fn aws_config(&self, start_url: &str) -> String {
        let mut text = String::new();
        for session in &self.sessions {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "[sso-session {}]\nsso_start_url = {start_url}\nsso_region = us-east-1\n\
                 sso_registration_scopes = sso:account:access\n\n",
                session.name
            );
        }
        for profile in &self.profiles {
            let _ = write!(
                text,
                "[profile {}]\nsso_session = {}\nsso_account_id = {}\nsso_role_name = {}\nregion = us-east-1\n\n",
                profile.name, profile.session, profile.account, profile.role
            );
        }
        text
    }

    pub(crate) fn is_assigned(&self, user: &str, account: &str, role: &str) -> bool {
        self.assignments.iter().any(|one| one.user == user && one.account == account && one.role == role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_has_two_users_and_two_roles() {
        let world = World::seed();
        assert_eq!((world.users.len(), world.sessions.len()), (2, 2));
        assert!(world.is_assigned("alice", "123456789012", "AdminRole"));
        assert!(!world.is_assigned("bob", "123456789012", "AdminRole"));
    }
}
