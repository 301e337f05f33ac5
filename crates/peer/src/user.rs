//! The user that this daemon runs as.

/// Returns the uid of this process, which is the only one that a daemon serves.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
