//! How many connections there may be, so that the vault's files and the control socket always find a descriptor.

use ssod_endpoint::Capacity;

/// For the files, the runtime, the connections to AWS.
const RESERVE: usize = 40;
/// Above this, memory would be the limit.
const OWN: usize = 4_096;
/// Other users' connections, each of which gets one refusal.
const STRANGERS: usize = 64;
/// One person's commands.
const CONTROL: usize = 256;

/// The endpoint's share and the control socket's.
#[derive(Clone, Debug)]
pub(crate) struct Capacities {
    /// Of all endpoint ports together.
    pub(crate) endpoint: Capacity,
    /// Of the control socket.
    pub(crate) control: Capacity,
}

/// By the limit of this process.
pub(crate) fn by_descriptors() -> Capacities {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let [own, strangers, control] =
        shares(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
    Capacities { endpoint: Capacity::new(own, strangers), control: Capacity::new(control, 1) }
}

/// The user's own connections, the strangers', the control socket's; together they leave the reserve.
fn shares(descriptors: usize) -> [usize; 3] {
    let free = descriptors.saturating_sub(RESERVE);
    [(free / 2).clamp(4, OWN), (free / 16).clamp(1, STRANGERS), (free / 4).clamp(4, CONTROL)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_limit_a_reserve_is_left() {
        assert_eq!(shares(usize::MAX), [OWN, STRANGERS, CONTROL]);
        assert_eq!(shares(64), [12, 1, 6]);
        for descriptors in 64..20_000 {
            assert!(shares(descriptors).iter().sum::<usize>() + RESERVE <= descriptors, "{descriptors}");
        }
    }
}
