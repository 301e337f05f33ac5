//! What `ssod status` shows. Instants are RFC 3339 texts, durations are seconds.

use serde::{Deserialize, Serialize};

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
    /// Where the vault's key is; empty while it is not known.
    pub key_store: String,
    /// How the vault stands.
    pub vault: VaultStatus,
    /// The AWS config file that it reads.
    pub config_file: String,
    /// Variables that override where Identity Center is called, as the daemon sees them.
    pub overrides: Vec<(String, String)>,
    /// What is wrong, each a sentence with its remedy.
    pub problems: Vec<String>,
}

/// How the vault stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VaultStatus {
    /// `open`, `opening`, `locked`; or what is wrong with the key store: `absent`, `no-default-keyring`, `refused`,
    /// `missing`, `broken`.
    /// A key store that is locked itself is `locked` with another hint.
    pub state: String,
    /// What is the matter.
    pub reason: Option<String>,
    /// What to do.
    pub hint: Option<String>,
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
    /// Not known while the vault is locked.
    Locked,
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
    /// Seconds until somebody must sign in again, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in: Option<u64>,
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
    /// The vault is locked.
    Locked,
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
}
