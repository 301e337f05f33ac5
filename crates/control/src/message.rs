//! The messages. Instants are RFC 3339 text; durations are in seconds.

use serde::{Deserialize, Serialize};

/// The body of every response that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The code for programs: `LoginRequired`, `NoAccess`, `ProfileNotFound`, …
    pub code: String,
    /// The message for the user, one sentence.
    pub message: String,
    /// What the user can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginFlow {
    /// Authorization code with PKCE: browser and callback.
    Pkce,
    /// A code that the user confirms on any machine.
    DeviceCode,
}

/// `POST /v1/login`; the response has one [`LoginEvent`] per line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRequest {
    /// A profile or a session.
    pub name: String,
    /// The flow; by default the daemon's setting, else chosen by [`has_browser`](Self::has_browser).
    #[serde(default)]
    pub flow: Option<LoginFlow>,
    /// Whether the client can open a browser on this machine.
    #[serde(default)]
    pub has_browser: bool,
}

/// An event of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LoginEvent {
    /// The user must visit the URL with a browser on this machine.
    Browser {
        /// The session.
        session: String,
        /// The URL to open; the daemon has checked its hosts.
        url: String,
        /// The start URL, to show to the user.
        start_url: String,
    },
    /// The user must confirm the code, on any machine.
    DeviceCode {
        /// The session.
        session: String,
        /// The page on which the user enters the code.
        url: String,
        /// The same page with the code filled in.
        url_complete: String,
        /// The code.
        code: String,
        /// The seconds until the code expires.
        expires_in: u64,
        /// The start URL, to show to the user.
        start_url: String,
        /// The region, to show to the user.
        region: String,
    },
    /// The sign-in succeeded.
    SignedIn {
        /// The session.
        session: String,
    },
    /// The sign-in failed.
    Failed {
        /// The reason.
        #[serde(flatten)]
        error: ErrorBody,
    },
}

/// `POST /v1/logout`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRequest {
    /// A profile or a session; by default every session.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether the endpoint tokens of open shells are revoked too.
    #[serde(default)]
    pub revoke_shells: bool,
}

/// The result of a sign-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutResult {
    /// One entry for each session.
    pub sessions: Vec<LoggedOut>,
    /// Why a copy of the vault's files from before the sign-out can still be put back, with the remedy; `None` if it
    /// cannot.
    #[serde(default)]
    pub copies_accepted: Option<String>,
}

/// The sign-out of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedOut {
    /// The session.
    pub session: String,
    /// Whether it was signed in.
    pub was_signed_in: bool,
    /// Issued credentials, which AWS cannot revoke.
    pub still_valid: Vec<StillValid>,
    /// Why AWS could not be notified, if it could not.
    #[serde(default)]
    pub not_told: Option<String>,
}

/// Credentials that stay valid after the sign-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StillValid {
    /// The profile.
    pub profile: String,
    /// When they expire.
    pub until: String,
}

/// `POST /v1/use`; the response is [`ActiveProfile`](crate::ActiveProfile).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseRequest {
    /// The profile; `None` to make no profile active.
    pub profile: Option<String>,
    /// For how many seconds; by default without a limit.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// `POST /v1/env`; the response is [`Environment`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvRequest {
    /// The profile; by default the one that is active at the time of each request.
    #[serde(default)]
    pub profile: Option<String>,
    /// Whether to use IMDS instead of the container credentials endpoint.
    #[serde(default)]
    pub imds: bool,
}

/// What a shell needs to use the endpoint. The daemon returns it only while it holds the port itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The profile.
    #[serde(default)]
    pub profile: Option<String>,
    /// The credentials' URI; `None` for IMDS.
    #[serde(default)]
    pub credentials_uri: Option<String>,
    /// The authorization token for the URI.
    #[serde(default)]
    pub token: Option<String>,
    /// The file with the token.
    #[serde(default)]
    pub token_file: Option<String>,
    /// The IMDS endpoint, with a trailing slash.
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

/// `POST /v1/credentials`; the response is [`Credentials`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsRequest {
    /// The profile.
    pub profile: String,
}

/// The response of `POST /v1/check`: the profile has credentials. The request is a [`CredentialsRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The profile.
    pub profile: String,
    /// Its session.
    pub session: String,
}

/// Credentials in the format of the `credential_process` protocol.
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
    /// When they expire.
    pub expiration: String,
    /// Their account.
    pub account_id: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("expiration", &self.expiration).finish_non_exhaustive()
    }
}

/// `POST /v1/vault/rekey`; the response is [`Rekeyed`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RekeyRequest {
    /// The key store for the new key; by default the current one.
    #[serde(default)]
    pub key_store: Option<String>,
}

/// The vault has a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekeyed {
    /// The key store that has it.
    pub key_store: String,
    /// Whether the vault had no key before.
    #[serde(default)]
    pub is_first: bool,
}

/// The response of `POST /v1/lock`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// The sessions whose renewed sign-in could not be saved and is lost.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// The response of `POST /v1/unlock`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlocked {
    /// Whether the vault was already open.
    #[serde(default)]
    pub was_open: bool,
}

/// A message without content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// `POST /v1/list`; the response is a list of [`ListedSession`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRequest {
    /// A session, or a profile for its session; by default every session.
    #[serde(default)]
    pub name: Option<String>,
}

/// The accounts and roles that are assigned to the user of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSession {
    /// The session.
    pub session: String,
    /// Its accounts.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// Why the session could not be listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// An AWS account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account id, twelve digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The email address of the account.
    #[serde(default)]
    pub email: String,
    /// Its roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Why its roles could not be listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// `POST /v1/draft-session`: a session that is used although it is not in the AWS config file, as long as the client
/// keeps the connection open. The response has one line as soon as the session is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftSession {
    /// Its name.
    pub name: String,
    /// Its start URL.
    pub start_url: String,
    /// Its region.
    pub region: String,
    /// Its scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// `POST /v1/access`; the response is [`Access`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRequest {
    /// A session, or a profile for its session.
    pub name: String,
    /// The role to check; by default those of the session's profiles.
    #[serde(default)]
    pub role: Option<CheckedRole>,
}

/// What the user who is signed in to a session can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The session.
    pub session: String,
    /// The roles that were checked.
    pub roles: Vec<CheckedRole>,
    /// How many accounts are assigned to the user.
    pub account_count: usize,
    /// Some of the roles that are assigned to the user.
    #[serde(default)]
    pub examples: Vec<AssignedRole>,
}

/// A role that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedRole {
    /// The profile with that role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The account.
    pub account_id: String,
    /// The role.
    pub role_name: String,
    /// Whether it is assigned to the user.
    #[serde(default)]
    pub access: RoleAccess,
}

/// Whether a role is assigned to the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleAccess {
    /// The user can use it.
    Assigned,
    /// The user cannot use it.
    NotAssigned,
    /// AWS did not answer.
    #[default]
    Unknown,
}

/// A role that is assigned to the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedRole {
    /// The account.
    pub account_id: String,
    /// The account's name.
    #[serde(default)]
    pub account_name: String,
    /// The role.
    pub role_name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_events_are_tagged_json_objects() {
        let failed = LoginEvent::Failed {
            error: ErrorBody { code: "Denied".into(), message: "No.".into(), hint: None },
        };
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"event":"failed","code":"Denied","message":"No."}"#
        );
        // A client runs nothing that a message names, as an older daemon's does.
        let older =
            r#"{"event":"browser","session":"s","url":"https://x","start_url":"https://y","browser":"rm"}"#;
        assert_eq!(
            serde_json::from_str::<LoginEvent>(older).unwrap(),
            LoginEvent::Browser {
                session: "s".into(),
                url: "https://x".into(),
                start_url: "https://y".into()
            }
        );
        let line = r#"{"event":"signed_in","session":"s","unknown_field":1}"#;
        assert_eq!(
            serde_json::from_str::<LoginEvent>(line).unwrap(),
            LoginEvent::SignedIn { session: "s".into() }
        );
    }

    #[test]
    fn the_accounts_of_older_and_newer_daemons_are_readable() {
        let old = r#"{"session":"s","accounts":[{"id":"1","name":"n","roles":["R"]}]}"#;
        let listed: ListedSession = serde_json::from_str(old).unwrap();
        assert_eq!(listed.accounts[0].error, None);
        assert!(!serde_json::to_string(&listed).unwrap().contains("error"));
        let new = r#"{"session":"s","accounts":[{"id":"1","name":"n","error":{"code":"C","message":"No."},"of":1}]}"#;
        let listed: ListedSession = serde_json::from_str(new).unwrap();
        assert_eq!(listed.accounts[0].error.as_ref().unwrap().code, "C");
    }

    #[test]
    fn credentials_have_the_names_of_credential_process_and_no_debug_output() {
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
