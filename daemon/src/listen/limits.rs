//! The connection limits, which leave enough descriptors for the vault's files and the control socket.

use std::time::Duration;

use ssod_connections::{Capacity, ConnectionRules, Proof, Shares, Timeouts};

/// The descriptors that are reserved for the files, the runtime, and the connections to AWS.
const RESERVED: usize = 40;
/// The maximum number of this user's connections; with more, memory would be the limit.
const OWN: usize = 4_096;
/// The maximum number of this user's connections without a token, to one listener.
const UNPROVEN: usize = 256;
/// The maximum number of other users' connections, each of which gets one refusal.
const OTHER_USERS: usize = 64;
/// The maximum number of connections to the control socket.
const CONTROL: usize = 256;
/// The maximum number of connections to the callbacks of all sign-ins. A browser opens a few at the same time.
const CALLBACK: usize = 16;
/// The maximum number of other users' connections to these callbacks.
const CALLBACK_OTHER_USERS: usize = 8;
/// The browser waits for its page until the sign-in ends.
const CALLBACK_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The rules for the connections of each kind of listener.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimits {
    /// For all endpoint ports together.
    pub(crate) endpoint: ConnectionRules,
    /// For the control socket.
    pub(crate) control: ConnectionRules,
    /// For the callbacks of all sign-ins together.
    pub(crate) callback: ConnectionRules,
}

/// Returns the limits that RLIMIT_NOFILE allows.
pub(crate) fn by_descriptors() -> ConnectionLimits {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let [endpoint, control, callback] =
        shares(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
    let rules =
        |shares, proof, timeouts| ConnectionRules { capacity: Capacity::new(shares), timeouts, proof };
    let stop_timeout = CALLBACK_STOP_TIMEOUT;
    ConnectionLimits {
        endpoint: rules(endpoint, Proof::Token, Timeouts::default()),
        control: rules(control, Proof::CompleteRequest, Timeouts::default()),
        callback: rules(callback, Proof::CompleteRequest, Timeouts { stop_timeout, ..Timeouts::default() }),
    }
}

/// Divides the descriptors among the endpoint, the control socket and the callbacks, and leaves the reserved ones.
fn shares(descriptors: usize) -> [Shares; 3] {
    let free = descriptors.saturating_sub(RESERVED);
    let shares =
        |own: usize, other_users| Shares { own, unproven: (own / 4).clamp(2, UNPROVEN), other_users };
    [
        shares((free / 2).clamp(4, OWN), (free / 16).clamp(1, OTHER_USERS)),
        shares((free / 4).clamp(4, CONTROL), 1),
        shares((free / 16).clamp(2, CALLBACK), (free / 32).clamp(1, CALLBACK_OTHER_USERS)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_leave_the_reserved_descriptors() {
        assert_eq!(shares(usize::MAX).map(|shares| shares.own), [OWN, CONTROL, CALLBACK]);
        assert_eq!(
            shares(64).map(|shares| (shares.own, shares.unproven, shares.other_users)),
            [(12, 3, 1), (6, 2, 1), (2, 2, 1)]
        );
        for descriptors in 64..20_000 {
            let all = shares(descriptors);
            let held: usize = all.iter().map(|shares| shares.own + shares.other_users).sum();
            assert!(held + RESERVED <= descriptors, "{descriptors}");
            assert!(all.iter().all(|shares| shares.unproven <= shares.own), "{descriptors}");
        }
    }
}
