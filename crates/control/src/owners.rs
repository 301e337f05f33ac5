//! Refuses another user's folders: with `sudo -E` or `su`, the variables of one user reach the programs of another.

use std::path::{Path, PathBuf};

use ssod_private_files::{OtherUsersFolder, other_users_folder};
use thiserror::Error;

/// A folder in which ssod would create or find its files belongs to another user.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{variable} leads to {}, which belongs to {}, but ssod runs as {}", .folder.display(), user(*.owner), user(*.runs_as)
)]
pub struct OtherUsersPath {
    /// The variable that leads there.
    variable: &'static str,
    folder: PathBuf,
    /// The user who owns the folder.
    owner: u32,
    /// The user of this process.
    runs_as: u32,
}

impl OtherUsersPath {
    /// Returns what the user can do.
    pub fn remedy(&self) -> String {
        let (variable, owner, runs_as) = (self.variable, user(self.owner), user(self.runs_as));
        if variable == "HOME" {
            return format!(
                "Run ssod as {owner}, without sudo or su; or give {runs_as} its own variables: sudo -H, or su - instead of su"
            );
        }
        format!("Run ssod as {owner}, without sudo or su; or: unset {variable}")
    }
}

/// The folders of ssod, each with the variable that can set its parent folder.
pub(crate) struct Folders<'a> {
    pub(crate) home: &'a Path,
    pub(crate) others: [(&'static str, &'a Path); 3],
}

/// Fails if one of the folders belongs to another user, or would be created in a folder of another user.
pub(crate) fn check(folders: &Folders<'_>) -> Result<(), OtherUsersPath> {
    let home = ("HOME", folders.home);
    for (variable, folder) in std::iter::once(home).chain(folders.others) {
        let Some(OtherUsersFolder { path, uid }) = other_users_folder(folder) else { continue };
        // A variable that is not set, or that this system does not use, has not led there.
        let is_below = |value: std::ffi::OsString| !value.is_empty() && folder.starts_with(value);
        let variable = if std::env::var_os(variable).is_some_and(is_below) { variable } else { "HOME" };
        let runs_as = rustix::process::geteuid().as_raw();
        return Err(OtherUsersPath { variable, folder: path, owner: uid, runs_as });
    }
    Ok(())
}

/// Names a user. The user database is not asked, because a statically linked client cannot load its modules.
pub(crate) fn user(uid: u32) -> String {
    if uid == 0 { "root".to_owned() } else { format!("user {uid}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_folder_both_users_and_the_remedy() {
        let of_alice =
            OtherUsersPath { variable: "HOME", folder: "/home/alice".into(), owner: 1000, runs_as: 0 };
        let error = "HOME leads to /home/alice, which belongs to user 1000, but ssod runs as root";
        assert_eq!(of_alice.to_string(), error);
        assert!(of_alice.remedy().contains("Run ssod as user 1000") && of_alice.remedy().contains("sudo -H"));
        let runtime = OtherUsersPath { variable: "XDG_RUNTIME_DIR", ..of_alice };
        assert!(runtime.remedy().ends_with("or: unset XDG_RUNTIME_DIR"), "{}", runtime.remedy());
    }

    #[test]
    fn another_users_folder_is_refused_wherever_it_is() {
        let base = tempfile::tempdir().unwrap();
        let folders = |home, runtime| {
            let (home, runtime): (&Path, &Path) = (home, runtime);
            let others = [
                ("XDG_CONFIG_HOME", home),
                ("XDG_STATE_HOME", home),
                ("SSOD_TEST_FOLDER_OF_NO_VARIABLE", runtime),
            ];
            check(&Folders { home, others })
        };
        let missing = base.path().join("missing");
        assert_eq!(folders(base.path(), &missing), Ok(()));
        assert_eq!(folders(Path::new("/"), Path::new("/run")), Ok(()), "a container's user has HOME=/");
        if rustix::process::geteuid().is_root() {
            let foreign = base.path().join("foreign");
            std::fs::create_dir(&foreign).unwrap();
            std::os::unix::fs::chown(&foreign, Some(4242), None).unwrap();
            for (home, runtime) in [(base.path(), &foreign.join("ssod")), (&foreign.join("home"), &missing)] {
                let refused = folders(home, runtime).unwrap_err();
                assert_eq!(
                    (refused.folder, refused.owner, refused.variable),
                    (foreign.clone(), 4242, "HOME")
                );
            }
        }
    }
}
