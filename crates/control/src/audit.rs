//! An entry of the audit log, which the daemon writes and `ssod audit` reads.

use serde::{Deserialize, Serialize};

/// The outcome of a request for credentials, or of an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditOutcome {
    /// The caller got credentials.
    Served,
    /// The action was carried out.
    Done,
    /// The caller was refused, or the action failed.
    Refused,
    /// A newer daemon wrote an outcome that this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The interface through which a caller requested credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditVia {
    /// The container-credentials endpoint.
    Container,
    /// IMDS.
    Imds,
    /// `ssod credential-process`.
    CredentialProcess,
    /// The control socket.
    Control,
    /// A newer daemon wrote an interface that this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl AuditVia {
    /// Returns the word that the log contains.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Imds => "imds",
            Self::CredentialProcess => "credential-process",
            Self::Control => "control",
            Self::Unknown => "unknown",
        }
    }
}

/// What a client of the control socket did. A request for credentials is none of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditAction {
    /// `ssod login`.
    Login,
    /// `ssod logout`.
    Logout,
    /// `ssod env`, which gives a shell the token of a profile.
    Env,
    /// `ssod use`.
    Use,
    /// `ssod lock`.
    Lock,
    /// `ssod unlock`.
    Unlock,
    /// `ssod vault rekey`.
    Rekey,
    /// `ssod vault move`.
    Move,
    /// A newer daemon wrote an action that this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl AuditAction {
    /// Returns the word that the log contains.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Env => "env",
            Self::Use => "use",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Rekey => "rekey",
            Self::Move => "move",
            Self::Unknown => "unknown",
        }
    }
}

/// A request for credentials or an action, and its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditEntry {
    /// The time, in RFC 3339.
    pub at: String,
    /// What the caller got.
    pub outcome: AuditOutcome,
    /// The action, unless it was a request for credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<AuditAction>,
    /// The profile, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The interface of the request.
    pub via: AuditVia,
    /// The caller's user; `None` if the kernel does not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The caller's process; `None` if it had already ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The short name of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The path of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The cgroup of a program that had already ended: the path of its systemd unit or scope, or of its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// What else there is to know about an action, such as the session or the key store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often the caller repeated the request since its first entry.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// How many entries before this one were lost because the queue was full.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// The number of the entry in its log, from 1; 0 in a log of an earlier version.
    #[serde(skip_serializing_if = "is_zero")]
    pub seq: u64,
    /// The chain of the entry before this one, where it is not in the line before: at the start of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// The hash of an incomplete line before this one: the daemon was ended while it wrote that line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torn: Option<String>,
    /// The hash over this entry and the chain of the entry before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires this signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_only_the_fields_that_are_known() {
        let entry = AuditEntry {
            at: "2026-11-23T10:00:00Z".into(),
            outcome: AuditOutcome::Refused,
            via: AuditVia::Container,
            uid: Some(1_001),
            reason: Some("CallerRefused: it belongs to another user".into()),
            ..AuditEntry::default()
        };
        let line = r#"{"at":"2026-11-23T10:00:00Z","outcome":"refused","via":"container","uid":1001,"reason":"CallerRefused: it belongs to another user"}"#;
        assert_eq!(serde_json::to_string(&entry).unwrap(), line);
        let newer = line.replace('}', r#","unknown_field":1}"#);
        assert_eq!(serde_json::from_str::<AuditEntry>(&newer).unwrap(), entry);
    }
}
