//! Protects the memory of this process, which has tokens and credentials, from core dumps and from other processes of
//! this user.
//!
//! If the system refuses one of these calls, for example in a sandbox, the default remains, and every other defence
//! still works.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Prevents core dumps of this process, and other processes of this user from reading its memory. On Linux, this ends
/// when the process executes another program, and it does not apply to the programs that the process starts.
pub fn forbid_inspection() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// The limit of the size of a core dump, which other programs inherit from this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreLimit(Rlimit);

impl CoreLimit {
    /// Sets the limit to zero in a way that can be undone, and returns the limit before.
    pub fn lower() -> Self {
        let before = getrlimit(Resource::Core);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..before });
        Self(before)
    }

    /// Sets the limit that was in force before [`lower`](Self::lower).
    pub fn restore(self) {
        let _ = setrlimit(Resource::Core, self.0);
    }

    /// Sets the limit to zero, for this process and all that it starts.
    pub fn forbid() {
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_limit_can_be_lowered_and_restored() {
        let original = getrlimit(Resource::Core);
        let lowered = CoreLimit::lower();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(getrlimit(Resource::Core).maximum, original.maximum);
        lowered.restore();
        assert_eq!(getrlimit(Resource::Core), original);
    }
}
