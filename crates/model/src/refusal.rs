//! Why somebody does not get credentials, in the words that reach them.

use thiserror::Error;

use crate::{AccountId, ProfileName, RoleName, SessionName};

/// A request for credentials that is not granted. Its `Display` is what an SDK shows to the person: what is the matter,
/// then what to type where something can be typed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}", self.reason(), self.remedy().map(|remedy| format!(" {remedy}")).unwrap_or_default())]
pub enum Refusal {
    /// The authorization token is missing or wrong; the name of the profile, empty for the active one.
    InvalidToken(String),
    /// The request does not come from an AWS SDK of this user; why.
    CallerRefused(&'static str),
    /// The session is signed out, or has ended.
    LoginRequired {
        /// The session to sign in to.
        session: SessionName,
        /// The profile that asked.
        profile: ProfileName,
    },
    /// The person is signed in but may not use that role.
    NoAccess {
        /// The profile that asked.
        profile: ProfileName,
        /// Its session.
        session: SessionName,
        /// Its account.
        account_id: AccountId,
        /// Its role.
        role_name: RoleName,
    },
    /// No such profile.
    ProfileNotFound(String),
    /// Nobody chose an active profile.
    NoActiveProfile,
    /// The vault is being opened; in a moment it is known what there is.
    Opening,
    /// The vault is locked.
    Locked {
        /// What is the matter, as a sentence.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// Nothing can be had right now; later it may.
    Unavailable {
        /// The profile that asked.
        profile: ProfileName,
        /// What went wrong, without a full stop.
        reason: String,
    },
}

impl Refusal {
    /// The code that stands beside the message on the wire.
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

    /// What is the matter, as a sentence.
    pub fn reason(&self) -> String {
        match self {
            Self::InvalidToken(_) => "This authorization token is not the one of that profile.".to_owned(),
            Self::CallerRefused(why) => format!("ssod does not answer this caller: {why}."),
            Self::LoginRequired { session, .. } => format!("Session \"{session}\" is signed out."),
            Self::NoAccess { profile, session, account_id, role_name } => format!(
                "Profile \"{profile}\": the person signed in to session \"{session}\" has no access to role {role_name} \
                 in account {account_id}."
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

    /// What to type, where something helps.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::InvalidToken(name) => {
                let command = format!("ssod env {name}");
                Some(format!("Take a new environment: eval \"$({})\"", command.trim_end()))
            }
            Self::CallerRefused(_) => None,
            Self::LoginRequired { profile, .. } => Some(format!("Run: ssod login {profile}")),
            Self::NoAccess { session, .. } => Some(format!("See what is assigned: ssod list {session}")),
            Self::ProfileNotFound(name) => {
                Some(format!("See what there is: ssod status; add it: ssod configure --profile {name}"))
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
    fn an_sdk_shows_what_is_the_matter_and_what_to_type() {
        let refusal = Refusal::LoginRequired {
            session: SessionName::parse("sso-session-adminUser").unwrap(),
            profile: ProfileName::parse("adminUser").unwrap(),
        };
        assert_eq!(
            refusal.to_string(),
            "Session \"sso-session-adminUser\" is signed out. Run: ssod login adminUser"
        );
        let nobody = Refusal::InvalidToken(String::new()).to_string();
        assert!(nobody.ends_with("eval \"$(ssod env)\""), "{nobody}");
    }
}
