//! The messages. Instants are RFC 3339 texts, durations are seconds.

use serde::{Deserialize, Serialize};

/// Any answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A word for programs: `LoginRequired`, `NoAccess`, `ProfileNotFound`, …
    pub code: String,
    /// A sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginFlow {
    /// Browser and callback.
    Pkce,
    /// A code that is typed anywhere.
    DeviceCode,
}

/// `POST /v1/login`; the answer is one [`LoginEvent`] a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRequest {
    /// A profile, else a session.
    pub name: String,
    /// How; without it, the daemon's setting, else by [`has_browser`](Self::has_browser).
    #[serde(default)]
    pub flow: Option<LoginFlow>,
    /// Whether a browser on this machine can be opened.
    #[serde(default)]
    pub has_browser: bool,
}

/// What happens during a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LoginEvent {
    /// Somebody must visit the URL with a browser on this machine.
    Browser {
        /// The session.
        session: String,
        /// What to open; its hosts were checked.
        url: String,
        /// The start URL, for the person.
        start_url: String,
        /// The command to open it with, from `config.toml`; empty for the system's browser.
        #[serde(default)]
        browser: String,
    },
    /// Somebody must confirm the code, on any machine.
    DeviceCode {
        /// The session.
        session: String,
        /// Where the code is typed.
        url: String,
        /// The same with the code filled in.
        url_complete: String,
        /// The code.
        code: String,
        /// Seconds that the code lives.
        expires_in: u64,
        /// The start URL, for the person.
        start_url: String,
        /// Its region, for the person.
        region: String,
    },
    /// Done.
    SignedIn {
        /// The session.
        session: String,
    },
    /// Not done.
    Failed {
        /// Why.
        #[serde(flatten)]
        error: ErrorBody,
    },
}

/// `POST /v1/logout`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRequest {
    /// A profile, else a session; without it, every session.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether open shells lose their endpoint tokens, too.
    #[serde(default)]
    pub revoke_shells: bool,
}

/// What a sign-out did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutResult {
    /// One for each session.
    pub sessions: Vec<LoggedOut>,
}

/// One session's sign-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedOut {
    /// The session.
    pub session: String,
    /// Whether it was signed in.
    pub was_signed_in: bool,
    /// Credentials that AWS issued and nobody can recall.
    pub still_valid: Vec<StillValid>,
    /// Why AWS could not be told, where it could not.
    #[serde(default)]
    pub not_told: Option<String>,
}

/// Credentials that live on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StillValid {
    /// Of which profile.
    pub profile: String,
    /// Until when.
    pub until: String,
}

/// `POST /v1/use`; the answer is [`ActiveProfile`](crate::ActiveProfile).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseRequest {
    /// Which; none for nobody.
    pub profile: Option<String>,
    /// For how many seconds; without it, for good.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// `POST /v1/env`; the answer is [`Environment`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvRequest {
    /// Which profile; without it, whatever is active at each moment.
    #[serde(default)]
    pub profile: Option<String>,
    /// IMDS instead of the container endpoint.
    #[serde(default)]
    pub imds: bool,
}

/// What a shell needs to use the endpoint. That the daemon answers this says that it holds the port.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The profile that it is for.
    #[serde(default)]
    pub profile: Option<String>,
    /// The credentials' URI; none for IMDS.
    #[serde(default)]
    pub credentials_uri: Option<String>,
    /// The token for it.
    #[serde(default)]
    pub token: Option<String>,
    /// The file with the token.
    #[serde(default)]
    pub token_file: Option<String>,
    /// The IMDS endpoint, with a slash at its end.
    #[serde(default)]
    pub imds_endpoint: Option<String>,
    /// The profile's region.
    #[serde(default)]
    pub region: Option<String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Environment").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// `POST /v1/credentials`; the answer is [`Credentials`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsRequest {
    /// Which profile.
    pub profile: String,
}

/// `POST /v1/check`: the same, but only whether there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Of which profile.
    pub profile: String,
    /// Its session.
    pub session: String,
}

/// The `credential_process` protocol's own form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Credentials {
    /// Always 1.
    pub version: u32,
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token.
    pub session_token: String,
    /// When they end.
    pub expiration: String,
    /// Their account.
    pub account_id: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("expiration", &self.expiration).finish_non_exhaustive()
    }
}

/// `POST /v1/vault/rekey`; the answer is [`Rekeyed`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RekeyRequest {
    /// The key store to move to; without it, the key stays where it is.
    #[serde(default)]
    pub key_store: Option<String>,
}

/// The vault has a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekeyed {
    /// Where it is.
    pub key_store: String,
}

/// `POST /v1/lock`'s answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// The sessions whose renewed sign-in could not be saved before, and is lost.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// `POST /v1/unlock`'s answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlocked {
    /// Whether it was open already.
    #[serde(default)]
    pub was_open: bool,
}

/// An answer without content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// `POST /v1/list`; the answer is a list of [`ListedSession`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRequest {
    /// A session, or a profile's session; without it, every session.
    #[serde(default)]
    pub name: Option<String>,
}

/// What a session's person may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSession {
    /// The session.
    pub session: String,
    /// Its accounts.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// Why there is no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its owner's address.
    #[serde(default)]
    pub email: String,
    /// Its roles.
    pub roles: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_events_are_tagged_lines() {
        let failed = LoginEvent::Failed {
            error: ErrorBody { code: "Denied".into(), message: "No.".into(), hint: None },
        };
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"event":"failed","code":"Denied","message":"No."}"#
        );
        let line = r#"{"event":"signed_in","session":"s","by":"tomorrow"}"#;
        assert_eq!(
            serde_json::from_str::<LoginEvent>(line).unwrap(),
            LoginEvent::SignedIn { session: "s".into() }
        );
    }

    #[test]
    fn credentials_have_credential_process_names_and_no_debug() {
        let credentials = Credentials {
            version: 1,
            access_key_id: "ASIA".into(),
            secret_access_key: "MARKER".into(),
            session_token: "MARKER".into(),
            expiration: "2026-11-23T10:00:00Z".into(),
            account_id: "123456789012".into(),
        };
        assert_eq!(
            serde_json::to_string(&credentials).unwrap(),
            r#"{"Version":1,"AccessKeyId":"ASIA","SecretAccessKey":"MARKER","SessionToken":"MARKER","Expiration":"2026-11-23T10:00:00Z","AccountId":"123456789012"}"#
        );
        assert!(!format!("{credentials:?}").contains("MARKER"));
    }
}
