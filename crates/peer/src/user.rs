//! The user that this daemon runs as, and the names of others.

/// Returns the uid of this process, which is the only one that a daemon serves.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the name of the user, from the system's user database; `None` if the user has no account.
pub fn user_name(uid: u32) -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok()?.map(|user| user.name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_of_root_is_known() {
        assert_eq!(super::user_name(0).as_deref(), Some("root"));
        assert_eq!(super::user_name(0x7fff_fff0), None);
    }
}
