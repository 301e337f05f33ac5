//! The connection limits, which leave enough descriptors for the vault's files and the control socket.

use ssod_endpoint::Capacity;

/// The descriptors that are reserved for the files, the runtime, and the connections to AWS.
const RESERVED: usize = 40;
/// The maximum number of this user's connections; with more, memory would be the limit.
const OWN: usize = 4_096;
/// The maximum number of other users' connections, each of which gets one refusal.
const OTHER_USERS: usize = 64;
/// The maximum number of connections to the control socket.
const CONTROL: usize = 256;

/// The connection limits of the endpoint and of the control socket.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimits {
    /// For all endpoint ports together.
    pub(crate) endpoint: Capacity,
    /// For the control socket.
    pub(crate) control: Capacity,
}

/// Returns the limits that RLIMIT_NOFILE allows.
pub(crate) fn by_descriptors() -> ConnectionLimits {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let [own, other_users, control] =
        shares(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
    ConnectionLimits { endpoint: Capacity::new(own, other_users), control: Capacity::new(control, 1) }
}

/// Divides the descriptors among this user's connections, other users' connections and the control socket, and leaves
/// the reserved ones.
fn shares(descriptors: usize) -> [usize; 3] {
    let free = descriptors.saturating_sub(RESERVED);
    [(free / 2).clamp(4, OWN), (free / 16).clamp(1, OTHER_USERS), (free / 4).clamp(4, CONTROL)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_leave_the_reserved_descriptors() {
        assert_eq!(shares(usize::MAX), [OWN, OTHER_USERS, CONTROL]);
        assert_eq!(shares(64), [12, 1, 6]);
        for descriptors in 64..20_000 {
            assert!(shares(descriptors).iter().sum::<usize>() + RESERVED <= descriptors, "{descriptors}");
        }
    }
}
