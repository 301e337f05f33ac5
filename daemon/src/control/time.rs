//! Times as the control API writes them.

use ssod_model::Timestamp;

/// Returns RFC 3339 in whole seconds, rounded down, which every AWS tool reads.
pub(super) fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
