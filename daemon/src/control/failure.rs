//! The one place where errors become answers of the control API.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ssod_broker::{NotOpen, SealReason, SignInError};
use ssod_control::{ErrorBody, VaultStatus};
use ssod_model::{IdentityError, Refusal, StoreError};

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    pub(crate) body: ErrorBody,
}

impl Failure {
    pub(crate) fn new(
        status: StatusCode,
        code: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        Self { status, body: ErrorBody { code: code.to_owned(), message: message.into(), hint } }
    }

    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message, None)
    }

    /// The vault is locked, or is just being opened.
    pub(crate) fn closed(vault: VaultStatus) -> Self {
        let message = vault.reason.unwrap_or_else(|| "The vault is being opened.".to_owned());
        Self::new(
            StatusCode::FORBIDDEN,
            "Locked",
            message,
            vault.hint.or(Some("Try again in a moment".to_owned())),
        )
    }

    /// Something that only this machine can be blamed for.
    pub(crate) fn broken(error: &anyhow::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Broken", sentence(&format!("{error:#}")), None)
    }

    /// A session's name where a profile's is needed.
    pub(crate) fn needs_profile(session: &str, profiles: &[String]) -> Self {
        let hint = match profiles {
            [] => format!("It has no profiles yet. Add one: ssod configure --session {session}"),
            profiles => format!("Its profiles are: {}", profiles.join(", ")),
        };
        let message = format!("\"{session}\" is an sso-session; this needs a profile.");
        Self::new(StatusCode::NOT_FOUND, "ProfileNotFound", message, Some(hint))
    }

    /// A name that is neither a profile nor a session.
    pub(crate) fn unknown(name: &str) -> Self {
        let name: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            "ProfileNotFound",
            format!(
                "\"{name}\" is neither a profile with an Identity Center role nor an sso-session in the AWS config file."
            ),
            Some(
                "See what there is, and what is wrong in the file: ssod status; add it: ssod configure"
                    .to_owned(),
            ),
        )
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Unavailable { .. } | Refusal::Opening => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::ProfileNotFound(_) | Refusal::NoActiveProfile => StatusCode::NOT_FOUND,
            _ => StatusCode::FORBIDDEN,
        };
        Self::new(status, refusal.code(), refusal.reason(), refusal.remedy())
    }
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::NoSession(name) => Self::unknown(name.as_str()),
            SignInError::NotOpen(NotOpen::Opening) => Self::closed(VaultStatus::default()),
            SignInError::NotOpen(NotOpen::Sealed(SealReason { reason, remedy })) => {
                Self::new(StatusCode::FORBIDDEN, "Locked", reason, Some(remedy))
            }
            SignInError::Identity(error) => error.into(),
            SignInError::Store(error) => error.into(),
        }
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let message = sentence(&error.to_string());
        match error {
            IdentityError::Unavailable(_) | IdentityError::Throttled { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Unavailable",
                message,
                Some("Check the network and the proxy ([network] in config.toml), then try again".to_owned()),
            ),
            IdentityError::Rejected(_) => Self::new(
                StatusCode::BAD_GATEWAY,
                "Rejected",
                message,
                Some("Check sso_start_url and sso_region in the AWS config file".to_owned()),
            ),
            IdentityError::NoAccess => Self::new(StatusCode::FORBIDDEN, "NoAccess", message, None),
            _ => {
                Self::new(StatusCode::FORBIDDEN, "LoginRequired", message, Some("Run: ssod login".to_owned()))
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "NotSaved",
            sentence(&error.to_string()),
            Some("Make room on the disk, or mend the folder's permissions, and try again".to_owned()),
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// With a capital and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}
