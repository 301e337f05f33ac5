//! The users, accounts and assignments, from a TOML file.

use serde::Deserialize;
use std::fmt::Write as _;

/// The users, the accounts and the assignments.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// The users.
    #[serde(default, rename = "user")]
    pub users: Vec<User>,
    /// The AWS accounts.
    #[serde(default, rename = "account")]
    pub accounts: Vec<AwsAccount>,
    /// The permission sets.
    #[serde(default, rename = "permission_set")]
    pub permission_sets: Vec<PermissionSet>,
    /// The assignments.
    #[serde(default, rename = "assignment")]
    pub assignments: Vec<Assignment>,
    /// Suggested `[sso-session]` blocks.
    #[serde(default, rename = "session")]
    pub sessions: Vec<SuggestedSession>,
    /// Suggested `[profile]` blocks.
    #[serde(default, rename = "profile")]
    pub profiles: Vec<SuggestedProfile>,
}

/// A user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The sign-in name.
    pub name: String,
}

/// An AWS account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsAccount {
    /// The account id, twelve digits.
    pub id: String,
    /// Its name; AWS sends null if it is empty.
    #[serde(default)]
    pub name: String,
    /// The email address of the account; AWS sends null if it is empty.
    #[serde(default)]
    pub email: String,
}

/// A permission set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionSet {
    /// The role name that GetRoleCredentials takes.
    pub name: String,
    /// The lifetime of its credentials in seconds; by default the fake's setting.
    pub session_seconds: Option<u64>,
}

/// The assignment of a permission set in an account to a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The user.
    pub user: String,
    /// The account.
    pub account: String,
    /// The permission set.
    pub role: String,
}

impl Assignment {
    pub(crate) fn matches(&self, user: &str, account: &str, role: &str) -> bool {
        self.user == user && self.account == account && self.role == role
    }
}

/// A suggested `[sso-session]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuggestedSession {
    /// Its name.
    pub name: String,
}

/// A suggested `[profile]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuggestedProfile {
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
    /// Parses a TOML file. Fails with the parser's error.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Returns the default world of `seed.toml`: alice and bob, `AdminRole` and `ReadOnlyRole`.
    pub fn seed() -> Self {
        Self::parse(include_str!("seed.toml")).unwrap_or_default()
    }

    /// Returns an AWS config file with the suggested sessions and profiles, in AWS's own form.
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
        self.assignments.iter().any(|assignment| assignment.matches(user, account, role))
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
