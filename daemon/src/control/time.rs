//! The time format of the control API.

use ssod_model::Timestamp;

/// Returns the time as RFC 3339 in whole seconds, rounded down; all AWS tools can read this.
pub(super) fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
