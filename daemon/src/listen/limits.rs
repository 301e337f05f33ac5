//! The limits of connections, so that the vault's files and the control socket always get a descriptor.

use ssod_endpoint::Capacity;

/// Descriptors for the files, the runtime, and the connections to AWS.
const RESERVE: usize = 40;
/// The user's own connections; with more, memory would be the limit.
const OWN: usize = 4_096;
/// Other users' connections, each of which gets one refusal.
const OTHER_USERS: usize = 64;
/// Connections of this user's commands.
const CONTROL: usize = 256;

/// The endpoint's share and the control socket's.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimits {
    /// For all endpoint ports together.
    pub(crate) endpoint: Capacity,
    /// For the control socket.
    pub(crate) control: Capacity,
}

/// Returns the limits that this process's limit of descriptors allows.
pub(crate) fn by_descriptors() -> ConnectionLimits {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let [own, other_users, control] =
        shares(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
    ConnectionLimits { endpoint: Capacity::new(own, other_users), control: Capacity::new(control, 1) }
}

/// Returns the user's own connections, other users' and the control socket's; together they leave the reserve.
fn shares(descriptors: usize) -> [usize; 3] {
    let free = descriptors.saturating_sub(RESERVE);
    [(free / 2).clamp(4, OWN), (free / 16).clamp(1, OTHER_USERS), (free / 4).clamp(4, CONTROL)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_limit_a_reserve_is_left() {
        assert_eq!(shares(usize::MAX), [OWN, OTHER_USERS, CONTROL]);
        assert_eq!(shares(64), [12, 1, 6]);
        for descriptors in 64..20_000 {
            assert!(shares(descriptors).iter().sum::<usize>() + RESERVE <= descriptors, "{descriptors}");
        }
    }
}
