//! Why somebody does not get credentials, in the words that reach them.

use thiserror::Error;

use crate::{AccountId, ProfileName, RoleName, SessionName};

/// A request for credentials that is not granted. Its `Display` is the sentence that an SDK shows to the
/// person, so it ends with what to type where something can be typed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The authorization token is missing or wrong.
    #[error(
        "This authorization token is not the one of that profile. \
         Take a new environment: eval \"$(ssod env {0})\""
    )]
    InvalidToken(String),
    /// The request does not come from an AWS SDK of this user.
    #[error("ssod does not answer this caller: {0}.")]
    CallerRefused(&'static str),
    /// The session is signed out, or has ended.
    #[error("Session \"{session}\" is signed out. Run: ssod login {profile}")]
    LoginRequired {
        /// The session to sign in to.
        session: SessionName,
        /// The profile that asked.
        profile: ProfileName,
    },
    /// The person is signed in but may not use that role.
    #[error(
        "Profile \"{profile}\": the person signed in to session \"{session}\" has no access to role \
         {role_name} in account {account_id}. See what is assigned: ssod list {session}"
    )]
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
    #[error(
        "Profile \"{0}\" is not in the AWS config file, or has no SSO keys. \
         See what there is: ssod status; add it: ssod configure --profile {0}"
    )]
    ProfileNotFound(String),
    /// Nobody chose an active profile.
    #[error("No profile is active. Choose one: ssod use PROFILE")]
    NoActiveProfile,
    /// Nothing can be had right now; later it may.
    #[error(
        "Credentials of profile \"{profile}\" are not available right now: {reason}. Try again in a moment."
    )]
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
            Self::Unavailable { .. } => "Unavailable",
        }
    }
}
