//! What `ssod doctor` finds, on either side.

use serde::{Deserialize, Serialize};

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could.
    Warning,
    /// It does not work, or is not safe.
    Failed,
}

/// One thing that was looked at. `GET /v1/doctor` answers with a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at, in a word or two.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// A sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: CheckState::Ok, message: message.into(), hint: None }
    }

    /// It could be better.
    pub fn warning(name: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, hint: Some(hint.into()), ..Self::ok(name, message) }
    }

    /// It must be mended.
    pub fn failed(name: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Failed, hint: Some(hint.into()), ..Self::ok(name, message) }
    }
}
