//! Protects the credentials in this process's memory, without an effect on the programs that it runs.

use ssod_hardening::forbid_inspection;

/// The core limit is inherited by every program that ssod runs, so it is lowered only where nothing else prevents a
/// core dump.
#[cfg(not(target_os = "linux"))]
static CORE_LIMIT: std::sync::OnceLock<ssod_hardening::CoreLimit> = std::sync::OnceLock::new();

/// Prevents core dumps of this process. It must be called before the process has a secret.
pub(crate) fn protect() {
    forbid_inspection();
    #[cfg(not(target_os = "linux"))]
    CORE_LIMIT.get_or_init(ssod_hardening::CoreLimit::lower);
}

/// Undoes what the program that replaces this one would inherit.
pub(crate) fn before_exec() {
    #[cfg(not(target_os = "linux"))]
    if let Some(limit) = CORE_LIMIT.get() {
        limit.restore();
    }
}
