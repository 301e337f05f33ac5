//! An entry of the audit log, which the daemon writes and `ssod audit` reads.

use serde::{Deserialize, Serialize};

/// The outcome of a request for credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditOutcome {
    /// The caller got credentials.
    Served,
    /// The caller was refused.
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

/// A request for credentials, and its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditEntry {
    /// The time, in RFC 3339.
    pub at: String,
    /// What the caller got.
    pub outcome: AuditOutcome,
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
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often the caller repeated the request since its first entry.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// How many entries before this one were lost because the queue was full.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: u64,
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
