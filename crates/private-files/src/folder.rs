//! Folders that only this user may enter.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use thiserror::Error;

use crate::open::GROUP_AND_OTHERS;

const PRIVATE_MODE: u32 = 0o700;

/// What [`private_folder`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderState {
    /// It created the folder.
    Created,
    /// The folder existed and was private.
    AlreadyPrivate,
    /// The folder existed, and other users had permissions on it. Its mode is 0700 now.
    MadePrivate {
        /// The mode before.
        mode: u32,
    },
}

/// Why a folder is not used. The text continues "cannot use PATH: ".
#[derive(Debug, Error)]
pub enum FolderError {
    /// It is a file or a symlink.
    #[error("it is not a folder (a symlink to one is not accepted)")]
    NotFolder,
    /// It belongs to another user.
    #[error("it belongs to user {uid}, not to you")]
    OtherOwner {
        /// The owner.
        uid: u32,
    },
    /// Other users have permissions on it.
    #[error("other users have access to it (mode {mode:04o})")]
    TooOpen {
        /// Its mode, without the file type.
        mode: u32,
    },
    /// The operating system reports an error.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Checks that the folder exists, belongs to this user, and gives other users no permission. Changes nothing, and
/// refuses a symlink.
pub fn check_private_folder(path: &Path) -> Result<(), FolderError> {
    let mode = mode_of_own_folder(&fs::symlink_metadata(path)?)?;
    if mode & GROUP_AND_OTHERS == 0 { Ok(()) } else { Err(FolderError::TooOpen { mode }) }
}

/// Creates the folder with mode 0700, and its missing parents with the default mode. If the folder exists, belongs to
/// this user and is not private, makes it private. Refuses a symlink and another user's folder.
pub fn private_folder(path: &Path) -> Result<FolderState, FolderError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let created = match DirBuilder::new().mode(PRIVATE_MODE).create(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error.into()),
    };
    let mode = mode_of_own_folder(&fs::symlink_metadata(path)?)?;
    if mode & GROUP_AND_OTHERS == 0 {
        return Ok(if created { FolderState::Created } else { FolderState::AlreadyPrivate });
    }
    // The mode is changed through a descriptor, so a symlink that replaces the folder at this moment is not followed.
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let folder = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    mode_of_own_folder(&folder.metadata()?)?;
    folder.set_permissions(Permissions::from_mode(PRIVATE_MODE))?;
    Ok(FolderState::MadePrivate { mode })
}

/// Creates the folder and its missing parents with mode 0700. A folder that exists keeps its mode.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_MODE).create(path)
}

/// Returns the mode of a folder that belongs to this user.
fn mode_of_own_folder(metadata: &fs::Metadata) -> Result<u32, FolderError> {
    if !metadata.is_dir() {
        return Err(FolderError::NotFolder);
    }
    let uid = metadata.uid();
    if uid != rustix::process::geteuid().as_raw() {
        return Err(FolderError::OtherOwner { uid });
    }
    Ok(metadata.mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_private_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("parent/folder");
        assert_eq!(private_folder(&path).unwrap(), FolderState::Created);
        assert_eq!(private_folder(&path).unwrap(), FolderState::AlreadyPrivate);
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(private_folder(&path).unwrap(), FolderState::MadePrivate { mode: 0o777 });
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_check_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("folder");
        assert!(matches!(check_private_folder(&path), Err(FolderError::Io(_))));
        create_folder(&path).unwrap();
        check_private_folder(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o710)).unwrap();
        assert!(matches!(check_private_folder(&path), Err(FolderError::TooOpen { mode: 0o710 })));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o710);
    }

    #[test]
    fn symlinks_files_and_other_users_folders_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path(), &link).unwrap();
        assert!(matches!(private_folder(&link), Err(FolderError::NotFolder)));
        assert!(matches!(check_private_folder(&link), Err(FolderError::NotFolder)));
        let file = home.path().join("file");
        fs::File::create(&file).unwrap();
        assert!(matches!(private_folder(&file), Err(FolderError::NotFolder)));
        let foreign = home.path().join("foreign");
        if rustix::process::geteuid().is_root() {
            create_folder(&foreign).unwrap();
            std::os::unix::fs::chown(&foreign, Some(4242), None).unwrap();
            assert!(matches!(private_folder(&foreign), Err(FolderError::OtherOwner { uid: 4242 })));
            assert!(matches!(check_private_folder(&foreign), Err(FolderError::OtherOwner { uid: 4242 })));
        } else {
            assert!(matches!(private_folder(Path::new("/usr")), Err(FolderError::OtherOwner { uid: 0 })));
        }
    }
}
