//! One line of the audit log, which the daemon writes and `ssod audit` reads.

use serde::{Deserialize, Serialize};

/// Somebody asked for credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditEntry {
    /// When, in RFC 3339.
    pub at: String,
    /// `served` or `refused`.
    pub outcome: String,
    /// For which profile, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `container`, `imds`, `credential-process` or `control`.
    pub via: String,
    /// The caller's user; none where the kernel did not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The caller's process; none where it was gone already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its name, in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its executable file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often the same happened again since its own line.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// How many notes before this one found no room and were lost.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known_and_no_more() {
        let entry = AuditEntry {
            at: "2026-11-23T10:00:00Z".into(),
            outcome: "refused".into(),
            via: "container".into(),
            uid: Some(1_001),
            reason: Some("CallerRefused: it belongs to another user".into()),
            ..AuditEntry::default()
        };
        let line = r#"{"at":"2026-11-23T10:00:00Z","outcome":"refused","via":"container","uid":1001,"reason":"CallerRefused: it belongs to another user"}"#;
        assert_eq!(serde_json::to_string(&entry).unwrap(), line);
        let newer = line.replace('}', r#","of_tomorrow":1}"#);
        assert_eq!(serde_json::from_str::<AuditEntry>(&newer).unwrap(), entry);
    }
}
