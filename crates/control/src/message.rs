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

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// About the daemon.
    pub daemon: DaemonStatus,
    /// What `ssod use` chose.
    #[serde(default)]
    pub active: ActiveProfile,
    /// The sessions, by name.
    pub sessions: Vec<SessionStatus>,
    /// The profiles, by name.
    pub profiles: Vec<ProfileStatus>,
}

/// About the daemon itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The endpoint's port on 127.0.0.1.
    pub port: u16,
    /// IMDS ports of single profiles.
    pub imds_ports: Vec<ImdsPort>,
    /// Where the vault's key is.
    pub key_store: String,
    /// The AWS config file that it reads.
    pub config_file: String,
    /// Variables that override where Identity Center is called, as the daemon sees them.
    pub overrides: Vec<(String, String)>,
    /// What is wrong, each a sentence with its remedy.
    pub problems: Vec<String>,
}

/// A port that serves IMDS for one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImdsPort {
    /// The profile.
    pub profile: String,
    /// The port on 127.0.0.1.
    pub port: u16,
}

/// The active profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveProfile {
    /// Which; at first none.
    pub profile: Option<String>,
    /// Until when, where it was chosen for a time.
    pub until: Option<String>,
    /// What comes after that.
    pub then: Option<String>,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Nobody is signed in.
    SignedOut,
    /// Somebody is signing in.
    SigningIn,
    /// Signed in.
    Active,
    /// AWS ended it.
    Expired,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: SessionState,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where people sign in.
    pub start_url: String,
    /// Its region.
    pub region: String,
    /// When the access token ends.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Seconds until then.
    #[serde(default)]
    pub remaining: Option<u64>,
    /// Seconds until it is renewed.
    #[serde(default)]
    pub renews_in: Option<u64>,
    /// What stands against renewing it.
    #[serde(default)]
    pub trouble: Option<Trouble>,
}

/// What stands against renewing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    /// It is tried again.
    Retrying {
        /// What went wrong.
        reason: String,
        /// In how many seconds.
        retry_in: u64,
    },
    /// The role is not assigned to the person.
    NoAccess,
    /// Somebody must sign in.
    SignInNeeded,
}

/// What a profile can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileState {
    /// Credentials are held.
    Ready,
    /// None are held, but the next request fetches them.
    OnDemand,
    /// See the trouble.
    Blocked,
}

/// One profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileStatus {
    /// Its name.
    pub name: String,
    /// Its session.
    pub session: String,
    /// Its account.
    pub account_id: String,
    /// Its role.
    pub role_name: String,
    /// Its region.
    #[serde(default)]
    pub region: Option<String>,
    /// What it can serve.
    pub state: ProfileState,
    /// When the credentials that are held end.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Seconds until then.
    #[serde(default)]
    pub remaining: Option<u64>,
    /// Seconds until they are renewed.
    #[serde(default)]
    pub renews_in: Option<u64>,
    /// What stands against renewing them.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Seconds since somebody asked for them.
    #[serde(default)]
    pub used_ago: Option<u64>,
    /// Which program did, where it is known.
    #[serde(default)]
    pub used_by: Option<String>,
    /// Whether it stands in AWS's own form, so that `--profile` goes past ssod.
    #[serde(default)]
    pub aws_form: bool,
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

/// `POST /v1/use`; the answer is [`ActiveProfile`].
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
    fn an_older_daemons_status_is_still_read_and_a_newer_ones_too() {
        let old = r#"{"daemon":{"version":"0.1.0","pid":7,"port":7746},"sessions":[{"name":"s","state":"active",
            "start_url":"https://x.awsapps.com/start","region":"us-east-1","remaining":3600}],
            "profiles":[{"name":"p","session":"s","account_id":"123456789012","role_name":"R","state":"blocked",
            "trouble":{"kind":"no_access"},"field_of_tomorrow":[1]}],"more_of_tomorrow":{}}"#;
        let status: Status = serde_json::from_str(old).unwrap();
        assert_eq!(status.sessions[0].state, SessionState::Active);
        assert_eq!(status.profiles[0].trouble, Some(Trouble::NoAccess));
        assert_eq!(status.active, ActiveProfile::default());
    }

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
