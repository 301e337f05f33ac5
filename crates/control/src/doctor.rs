//! The results of `ssod doctor`, which daemon and client both contribute to.

use serde::{Deserialize, Serialize};

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// No problem.
    Ok,
    /// It works, but should be improved.
    Warning,
    /// It does not work or is not safe.
    Failed,
}

/// What a check is about. `ssod doctor` shows the groups in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckGroup {
    /// The daemon and this machine.
    Daemon,
    /// Sessions and profiles.
    SignIns,
    /// AWS and the way to it.
    Aws,
    /// Files and folders.
    Files,
    /// The shell in which `ssod doctor` runs.
    Shell,
    /// The daemon is older and names no group, or newer and names one that this client does not know.
    #[default]
    #[serde(other)]
    Other,
}

/// One check. `GET /v1/doctor` returns a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it is about.
    #[serde(default)]
    pub group: CheckGroup,
    /// What was checked, in one or two words.
    pub name: String,
    /// The result.
    pub state: CheckState,
    /// The result as a sentence.
    pub message: String,
    /// How to fix it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Check {
    /// Returns a check without a problem.
    pub fn ok(name: &str, message: impl Into<String>) -> Self {
        let group = CheckGroup::default();
        Self { group, name: name.to_owned(), state: CheckState::Ok, message: message.into(), hint: None }
    }

    /// Returns a check with a warning.
    pub fn warning(name: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, hint: Some(hint.into()), ..Self::ok(name, message) }
    }

    /// Returns a failed check.
    pub fn failed(name: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Failed, hint: Some(hint.into()), ..Self::ok(name, message) }
    }
    /// Puts the check into a group.
    #[must_use]
    pub fn in_group(self, group: CheckGroup) -> Self {
        Self { group, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_of_older_and_newer_daemons_are_readable() {
        let old = r#"{"name":"port","state":"ok","message":"It is held."}"#;
        assert_eq!(serde_json::from_str::<Check>(old).unwrap(), Check::ok("port", "It is held."));
        let newer = r#"{"group":"of_tomorrow","name":"port","state":"ok","message":"It is held."}"#;
        assert_eq!(serde_json::from_str::<Check>(newer).unwrap().group, CheckGroup::Other);
        let own = Check::ok("port", "It is held.").in_group(CheckGroup::SignIns);
        assert!(serde_json::to_string(&own).unwrap().contains(r#""group":"sign_ins""#));
    }
}
