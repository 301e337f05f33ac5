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

/// One check. `GET /v1/doctor` returns a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
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
        Self { name: name.to_owned(), state: CheckState::Ok, message: message.into(), hint: None }
    }

    /// Returns a check with a warning.
    pub fn warning(name: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, hint: Some(hint.into()), ..Self::ok(name, message) }
    }

    /// Returns a failed check.
    pub fn failed(name: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Failed, hint: Some(hint.into()), ..Self::ok(name, message) }
    }
}
