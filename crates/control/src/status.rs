//! What `ssod status` shows. Instants are RFC 3339 text; durations are in seconds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The response of `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon.
    pub daemon: DaemonStatus,
    /// The profile that `ssod use` chose.
    #[serde(default)]
    pub active: ActiveProfile,
    /// The sessions, sorted by name.
    pub sessions: Vec<SessionStatus>,
    /// The profiles, sorted by name.
    pub profiles: Vec<ProfileStatus>,
}

/// The daemon itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The home folder of its user, as its environment has it.
    pub home: String,
    /// The endpoint's port on 127.0.0.1.
    pub port: u16,
    /// The IMDS ports of single profiles.
    pub imds_ports: Vec<ImdsPort>,
    /// The key store of the vault; empty while it is not known.
    pub key_store: String,
    /// The state of the vault.
    pub vault: VaultStatus,
    /// The AWS config file that the daemon reads.
    pub config_file: String,
    /// The settings file that the daemon reads; empty from a daemon that does not tell.
    pub settings_file: String,
    /// The variables in the daemon's environment that override the endpoints of Identity Center. A URL has no password.
    pub overrides: Vec<(String, String)>,
    /// The proxy for calls to AWS, without its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<NetworkValue>,
    /// The file of certificates that are trusted besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<NetworkValue>,
    /// The problems, each a sentence with its fix.
    pub problems: Vec<String>,
}

/// A value that changes how the daemon calls AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkValue {
    /// The value.
    pub value: String,
    /// The variable of the daemon's environment that sets it; `None` if config.toml does.
    pub variable: Option<String>,
}

impl NetworkValue {
    /// Returns what sets the value.
    pub fn source(&self) -> &str {
        self.variable.as_deref().unwrap_or("config.toml")
    }
}

/// The state of the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VaultStatus {
    /// The state.
    pub state: VaultStateKind,
    /// The reason, if the vault is not open.
    pub reason: Option<String>,
    /// What the user can do.
    pub hint: Option<String>,
    /// Whether the vault has no key yet and `auto` finds no key store, so the user must choose one.
    pub needs_choice: bool,
}

impl VaultStatus {
    /// Returns whether everything can be read and saved.
    pub fn is_open(&self) -> bool {
        self.state == VaultStateKind::Open
    }

    /// Returns whether the key store has not answered yet.
    pub fn is_opening(&self) -> bool {
        self.state == VaultStateKind::Opening
    }
}

/// The kind of a vault's state, without the details, which are in the reason and the hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultStateKind {
    /// The key is not known yet.
    Opening,
    /// The key is known.
    Open,
    /// The vault or its key store is locked; the hint says which.
    Locked,
    /// The key store is not available.
    Absent,
    /// The Secret Service has no default keyring.
    NoDefaultKeyring,
    /// The key store refused access.
    Refused,
    /// The key store has lost the key.
    Missing,
    /// The key store or the vault's files cannot be used.
    Broken,
    /// A newer daemon sent a state that this client does not know; empty if an older daemon sent none.
    #[serde(untagged)]
    Other(String),
}

impl Default for VaultStateKind {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// Writes the state as it is in JSON.
impl fmt::Display for VaultStateKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
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
    /// The profile; `None` until the user chooses one.
    pub profile: Option<String>,
    /// When it stops being active, if it was chosen for a limited time.
    pub until: Option<String>,
    /// The profile that is active after that.
    pub then: Option<String>,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The user is not signed in.
    SignedOut,
    /// A sign-in is in progress.
    SigningIn,
    /// The user is signed in.
    Active,
    /// AWS has ended the session.
    Expired,
    /// The state is not known while the vault is locked.
    Locked,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: SessionState,
    /// Why it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The start URL, where the user signs in.
    pub start_url: String,
    /// Its region.
    pub region: String,
    /// When the access token expires.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Seconds until then.
    #[serde(default)]
    pub remaining: Option<u64>,
    /// Seconds until the user must sign in again, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in: Option<u64>,
    /// Seconds until it is renewed.
    #[serde(default)]
    pub renews_in: Option<u64>,
    /// Why it cannot be renewed now.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// The endpoints that are called instead of AWS's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<EndpointOverride>,
}

/// An endpoint that is called instead of AWS's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointOverride {
    /// [`PORTAL`](Self::PORTAL) or [`OIDC`](Self::OIDC).
    pub service: String,
    /// Its URL.
    pub url: String,
    /// What sets it: a variable, or a section of the AWS config file.
    pub source: String,
    /// The profiles whose calls go there; empty if all calls of the session do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
}

impl EndpointOverride {
    /// The service that lists roles and issues their credentials.
    pub const PORTAL: &'static str = "sso";
    /// The service that signs in.
    pub const OIDC: &'static str = "sso_oidc";
}

/// Why a session or credentials cannot be renewed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    /// The renewal failed and is tried again.
    Retrying {
        /// The error.
        reason: String,
        /// Seconds until the next attempt.
        retry_in: u64,
    },
    /// The role is not assigned to the user.
    NoAccess,
    /// The user must sign in.
    SignInNeeded,
    /// The vault is locked.
    Locked,
}

/// Whether a profile has credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileState {
    /// The daemon has credentials.
    Ready,
    /// The daemon has none, but fetches them for the next request.
    OnDemand,
    /// There are none, for the reason in [`trouble`](ProfileStatus::trouble).
    Blocked,
}

/// A profile.
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
    /// Whether it has credentials.
    pub state: ProfileState,
    /// When the credentials expire.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Seconds until then.
    #[serde(default)]
    pub remaining: Option<u64>,
    /// Seconds until they are renewed.
    #[serde(default)]
    pub renews_in: Option<u64>,
    /// Why they cannot be renewed now.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Seconds since the last request for them.
    #[serde(default)]
    pub used_ago: Option<u64>,
    /// The program that sent that request, if it is known.
    #[serde(default)]
    pub used_by: Option<String>,
    /// Whether the config file has AWS's own SSO keys for it, so that `--profile` bypasses ssod.
    #[serde(default)]
    pub aws_form: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_older_and_newer_daemons_is_readable() {
        let old = r#"{"daemon":{"version":"0.1.0","pid":7,"port":7746},"sessions":[{"name":"s","state":"active",
            "start_url":"https://x.awsapps.com/start","region":"us-east-1","remaining":3600}],
            "profiles":[{"name":"p","session":"s","account_id":"123456789012","role_name":"R","state":"blocked",
            "trouble":{"kind":"no_access"},"unknown_field":[1]}],"other_unknown_field":{}}"#;
        let status: Status = serde_json::from_str(old).unwrap();
        assert_eq!(status.sessions[0].state, SessionState::Active);
        assert_eq!(status.profiles[0].trouble, Some(Trouble::NoAccess));
        assert_eq!(status.active, ActiveProfile::default());
        assert_eq!(status.daemon.vault.state, VaultStateKind::Other(String::new()));
    }

    #[test]
    fn each_vault_state_has_one_word_in_json_and_an_unknown_word_is_kept() {
        for (state, word) in [
            (VaultStateKind::Opening, "opening"),
            (VaultStateKind::Open, "open"),
            (VaultStateKind::Locked, "locked"),
            (VaultStateKind::Absent, "absent"),
            (VaultStateKind::NoDefaultKeyring, "no-default-keyring"),
            (VaultStateKind::Refused, "refused"),
            (VaultStateKind::Missing, "missing"),
            (VaultStateKind::Broken, "broken"),
            (VaultStateKind::Other("moving".into()), "moving"),
            (VaultStateKind::default(), ""),
        ] {
            let json = format!("\"{word}\"");
            assert_eq!(serde_json::to_string(&state).unwrap(), json);
            assert_eq!(serde_json::from_str::<VaultStateKind>(&json).unwrap(), state);
            assert_eq!(state.to_string(), word);
        }
        let vault: VaultStatus = serde_json::from_str(r#"{"state":"moving","reason":null}"#).unwrap();
        assert_eq!(vault.state, VaultStateKind::Other("moving".into()));
    }
}
