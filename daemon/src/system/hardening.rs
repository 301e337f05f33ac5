//! Protects the daemon's memory and files before any secret is read.

/// The limit of descriptors, which is more than all listeners together use.
#[cfg(target_os = "linux")]
const MAX_DESCRIPTORS: u64 = 65_536;

/// Disables core dumps, prevents other processes of this user from reading this process's memory, and makes every new
/// file private. It must be the first call in `main`.
pub fn harden() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    ssod_hardening::forbid_inspection();
    ssod_hardening::CoreLimit::forbid();
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        // Thousands of idle connections must not use the descriptors that the vault's files need.
        let descriptors = getrlimit(Resource::Nofile);
        let current = descriptors.maximum.map_or(MAX_DESCRIPTORS, |most| most.min(MAX_DESCRIPTORS));
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..descriptors });
    }
}
