//! Opens a file without following a symlink and without blocking, and checks what was opened.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::FileError;

/// The mode of every file that this crate creates.
pub(crate) const PRIVATE_MODE: u32 = 0o600;
/// The permissions of the group and of all other users.
pub(crate) const GROUP_AND_OTHERS: u32 = 0o077;

/// Whether a symlink as the last part of the path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symlinks {
    Follow,
    Refuse,
}

/// Opens a log file for reading and appending, and creates it (0600) if it does not exist. Refuses a symlink and
/// another user's file.
pub fn open_for_append(path: &Path) -> Result<File, FileError> {
    open_own(path, OpenOptions::new().read(true).append(true))
}

/// Opens a lock file for reading and writing, keeps its content, and creates it (0600) if it does not exist. Refuses a
/// symlink and another user's file.
pub fn open_lock_file(path: &Path) -> Result<File, FileError> {
    open_own(path, OpenOptions::new().read(true).write(true).truncate(false))
}

fn open_own(path: &Path, options: &mut OpenOptions) -> Result<File, FileError> {
    let (file, metadata) = open_regular(path, options.create(true).mode(PRIVATE_MODE), Symlinks::Refuse)?;
    check_owner(&metadata)?;
    Ok(file)
}

/// Opens a regular file, and refuses any other kind of file. Rust's standard library adds O_CLOEXEC.
pub(crate) fn open_regular(
    path: &Path,
    options: &mut OpenOptions,
    symlinks: Symlinks,
) -> Result<(File, Metadata), FileError> {
    // Without O_NONBLOCK, opening a FIFO waits for its other end. For a regular file the flag has no effect.
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if symlinks == Symlinks::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(FileError::NotRegular) }
}

pub(crate) fn check_owner(metadata: &Metadata) -> Result<(), FileError> {
    let uid = metadata.uid();
    if uid == rustix::process::geteuid().as_raw() { Ok(()) } else { Err(FileError::OtherOwner { uid }) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn a_log_file_is_private_and_is_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        open_for_append(&path).unwrap().write_all(b"one\n").unwrap();
        let mut log = open_for_append(&path).unwrap();
        log.write_all(b"two\n").unwrap();
        log.rewind().unwrap();
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
        assert_eq!(log.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_lock_file_keeps_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        open_lock_file(&path).unwrap().write_all(b"7").unwrap();
        assert_eq!(open_lock_file(&path).unwrap().metadata().unwrap().len(), 1);
    }

    #[test]
    fn log_and_lock_files_are_neither_symlinks_nor_fifos_nor_folders() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert!(matches!(open_for_append(&link), Err(FileError::Symlink)));
        assert!(matches!(open_lock_file(&link), Err(FileError::Symlink)));
        assert!(!folder.path().join("elsewhere").exists());
        let fifo = folder.path().join("fifo");
        crate::read::tests::make_fifo(&fifo);
        assert!(matches!(open_for_append(&fifo), Err(FileError::NotRegular)));
        assert!(matches!(open_lock_file(folder.path()), Err(FileError::NotRegular)));
    }
}
