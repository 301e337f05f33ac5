//! Why a caller gets no credentials, with the text that the user sees.

use thiserror::Error;

use crate::{AccountId, ProfileName, RoleName, SessionName};

/// A refused request for credentials. Its `Display` is what an SDK shows to the user: the problem, then the command
/// that fixes it, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}", self.reason(), self.remedy().map(|remedy| format!(" {remedy}")).unwrap_or_default())]
pub enum Refusal {
    /// The authorization token is missing or wrong. Contains the name of the profile, which is empty for the active
    /// one.
    InvalidToken(String),
    /// The request does not come from an AWS SDK of this user. Contains the reason.
    CallerRefused(&'static str),
    /// The session is signed out, or has ended.
    LoginRequired {
        /// The session to sign in to.
        session: SessionName,
        /// The requested profile.
        profile: ProfileName,
    },
    /// The user is signed in but has no access to that role.
    NoAccess {
        /// The requested profile.
        profile: ProfileName,
        /// Its session.
        session: SessionName,
        /// Its account.
        account_id: AccountId,
        /// Its role.
        role_name: RoleName,
    },
    /// The profile does not exist.
    ProfileNotFound(String),
    /// No active profile is chosen.
    NoActiveProfile,
    /// The vault is being opened, which takes a moment.
    Opening,
    /// The vault is locked.
    Locked {
        /// The problem, as a sentence.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// No credentials are available now; a later request may succeed.
    Unavailable {
        /// The requested profile.
        profile: ProfileName,
        /// What went wrong, without a full stop.
        reason: String,
    },
}

impl Refusal {
    /// Returns the code that accompanies the message on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidToken(_) => "InvalidToken",
            Self::CallerRefused(_) => "CallerRefused",
            Self::LoginRequired { .. } => "LoginRequired",
            Self::NoAccess { .. } => "NoAccess",
            Self::ProfileNotFound(_) | Self::NoActiveProfile => "ProfileNotFound",
            Self::Locked { .. } => "Locked",
            Self::Unavailable { .. } | Self::Opening => "Unavailable",
        }
    }

    /// Returns the problem, as a sentence.
    pub fn reason(&self) -> String {
        match self {
            Self::InvalidToken(_) => "This authorization token does not belong to that profile.".to_owned(),
            Self::CallerRefused(why) => format!("ssod does not answer this caller: {why}."),
            Self::LoginRequired { session, .. } => format!("Session \"{session}\" is signed out."),
            Self::NoAccess { profile, session, account_id, role_name } => format!(
                "Profile \"{profile}\": the user who is signed in to session \"{session}\" has no access to role \
                 {role_name} in account {account_id}."
            ),
            Self::ProfileNotFound(name) => {
                format!("Profile \"{name}\" is not in the AWS config file, or names no Identity Center role.")
            }
            Self::NoActiveProfile => "No profile is active.".to_owned(),
            Self::Opening => "The vault is being opened.".to_owned(),
            Self::Locked { reason, .. } => reason.clone(),
            Self::Unavailable { profile, reason } => {
                format!("Credentials of profile \"{profile}\" are not available right now: {reason}.")
            }
        }
    }

    /// Returns what the user can do, if anything helps.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::InvalidToken(name) => {
                let command = format!("ssod env {name}");
                Some(format!("Get a new token for this shell: eval \"$({})\"", command.trim_end()))
            }
            Self::CallerRefused(_) => None,
            Self::LoginRequired { profile, .. } => Some(format!("Run: ssod login {profile}")),
            Self::NoAccess { session, .. } => Some(format!("List the assigned roles: ssod list {session}")),
            Self::ProfileNotFound(name) => {
                Some(format!("List the profiles: ssod status; add this one: ssod configure --profile {name}"))
            }
            Self::NoActiveProfile => Some("Choose one: ssod use PROFILE".to_owned()),
            Self::Locked { remedy, .. } => Some(remedy.clone()),
            Self::Unavailable { .. } | Self::Opening => Some("Try again in a moment.".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_shows_the_problem_and_the_command_that_fixes_it() {
        let refusal = Refusal::LoginRequired {
            session: SessionName::parse("sso-session-adminUser").unwrap(),
            profile: ProfileName::parse("adminUser").unwrap(),
        };
        assert_eq!(
            refusal.to_string(),
            "Session \"sso-session-adminUser\" is signed out. Run: ssod login adminUser"
        );
        let active = Refusal::InvalidToken(String::new()).to_string();
        assert!(active.ends_with("eval \"$(ssod env)\""), "{active}");
    }
}
