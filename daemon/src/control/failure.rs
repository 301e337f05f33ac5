//! Converts errors into responses of the control API.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ssod_broker::{NotOpen, SealReason, SignInError};
use ssod_control::ErrorBody;
use ssod_model::{IdentityError, Refusal, SessionName, StoreError, did_you_mean};

use crate::sentence::sentence;
use crate::vault::state::VaultState;

/// The maximum number of names in a hint.
const MAX_NAMES: usize = 5;

/// An error response of the control API.
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

    /// Returns the error of a vault that is locked, failed, or being opened.
    pub(crate) fn closed(vault: &VaultState) -> Self {
        let SealReason { reason, remedy } = vault.closed_reason().unwrap_or_else(|| SealReason {
            reason: "The vault is being opened.".to_owned(),
            remedy: "Try again in a moment".to_owned(),
        });
        Self::new(StatusCode::FORBIDDEN, "Locked", reason, Some(remedy))
    }

    /// Returns the error for a failure of this machine or of ssod itself.
    pub(crate) fn broken(error: &anyhow::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Broken", sentence(&format!("{error:#}")), None)
    }

    /// Returns the error for a session's name where the route needs a profile.
    pub(crate) fn needs_profile(session: &str, profiles: &[String]) -> Self {
        let shown = profiles.get(..MAX_NAMES).unwrap_or(profiles);
        let hint = match profiles.len() {
            0 => format!("It has no profiles yet. Add one: ssod configure --session {session}"),
            1..=MAX_NAMES => format!("Its profiles are: {}", shown.join(", ")),
            count => format!("It has {count} profiles: {}, … To see all: ssod status", shown.join(", ")),
        };
        let message = format!("\"{session}\" is an sso-session; this needs a profile.");
        Self::new(StatusCode::NOT_FOUND, "ProfileNotFound", message, Some(hint))
    }

    /// The user must sign in to that session.
    pub(crate) fn signed_out(session: &SessionName) -> Self {
        let message = format!("Session \"{session}\" is signed out.");
        Self::new(StatusCode::FORBIDDEN, "LoginRequired", message, Some(format!("Run: ssod login {session}")))
    }

    /// The profile assumes a role with the credentials of another profile, so only that one can sign in.
    pub(crate) fn chained(profile: &str, source: &str) -> Self {
        let message =
            format!("Profile \"{profile}\" has no sign-in of its own; it uses that of profile \"{source}\".");
        let hint = format!("Sign in to its source: ssod login {source}");
        Self::new(StatusCode::NOT_FOUND, "ProfileNotFound", message, Some(hint))
    }

    /// Returns the error for a name that is neither a profile nor a session, with the names that the user may have
    /// meant.
    pub(crate) fn unknown(name: &str, similar: &[&str]) -> Self {
        let name: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
        let hint = match did_you_mean(similar) {
            Some(question) => format!("{question} To see all names: ssod status"),
            None => {
                "To see all names and the problems of the file: ssod status; to add a profile: ssod configure"
                    .to_owned()
            }
        };
        Self::new(
            StatusCode::NOT_FOUND,
            "ProfileNotFound",
            format!(
                "\"{name}\" is neither a profile with an Identity Center role nor an sso-session in the AWS config file."
            ),
            Some(hint),
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
            SignInError::NoSession(name) => Self::unknown(name.as_str(), &[]),
            SignInError::NotOpen(NotOpen::Opening) => Self::closed(&VaultState::Opening),
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
            IdentityError::NotFromAws { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Unavailable",
                message,
                Some(
                    "Sign in to this network, or check the proxy ([network] in config.toml), then try again"
                        .to_owned(),
                ),
            ),
            IdentityError::UntrustedEndpoint { remedy, .. } => {
                Self::new(StatusCode::BAD_GATEWAY, "UntrustedEndpoint", message, Some(remedy))
            }
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
            Some("Free space on the disk, or fix the folder's permissions, and try again".to_owned()),
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// The result of a route.
pub(crate) type RouteResult<T> = Result<Json<T>, Failure>;
