//! Replaces a whole file atomically: after a crash, the file has either the old content or the new content.
//!
//! `atomic-write-file` writes a temporary file in the same folder, syncs it, renames it and syncs the folder.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;
use rustix::fs::Access;

use crate::error::FileError;
use crate::folder::create_folder;
use crate::open::PRIVATE_MODE;

/// The number of symlinks that Linux follows before it reports a loop.
const MAX_SYMLINKS: u32 = 40;

/// Replaces the file. The new file belongs to this user and has mode 0600, whatever the old file had. A symlink is
/// replaced, not followed.
pub fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut options = AtomicWriteFile::options();
    options.preserve_mode(false).preserve_owner(false).mode(PRIVATE_MODE);
    commit(options.open(path)?, content)
}

/// Replaces a file that the user manages. If it is a symlink, replaces the file that the symlink names. Keeps mode and
/// owner; a new file gets mode 0600. Creates missing folders (0700).
pub fn write_user_file(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let target = replaceable_target(path)?;
    if let Some(folder) = target.parent() {
        create_folder(folder)?;
    }
    let mut options = AtomicWriteFile::options();
    options.preserve_mode(true).try_preserve_owner(true).mode(PRIVATE_MODE);
    commit(options.open(&target)?, content)
}

/// Checks whether [`write_user_file`] can replace the file, as far as that is known before: it is a regular file or
/// missing, and its folder, or the folder in which the missing ones are made, can be changed.
pub fn check_user_file_writable(path: &Path) -> Result<(), FileError> {
    let target = replaceable_target(path)?;
    for folder in target.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => {
                let rights = Access::WRITE_OK | Access::EXEC_OK;
                return rustix::fs::access(folder, rights).map_err(|error| io::Error::from(error).into());
            }
            Ok(_) => {
                return Err(FileError::Io(io::Error::other(format!("{} is not a folder", folder.display()))));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Returns the file that is replaced for this path: it is regular, or missing.
fn replaceable_target(path: &Path) -> Result<PathBuf, FileError> {
    let target = follow_symlinks(path)?;
    match fs::symlink_metadata(&target) {
        Ok(metadata) if !metadata.is_file() => Err(FileError::NotRegular),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(target),
    }
}

fn commit(mut file: AtomicWriteFile, content: &[u8]) -> Result<(), FileError> {
    file.write_all(content)?;
    Ok(file.commit()?)
}

/// Returns the path that the last symlink names, even if no file exists there.
fn follow_symlinks(path: &Path) -> Result<PathBuf, FileError> {
    let mut target = path.to_owned();
    for _ in 0..MAX_SYMLINKS {
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("/")).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(FileError::Io(io::Error::other("its symlinks form a loop")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::read::tests::make_fifo;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_private_file_gets_mode_0600_and_replaces_a_symlink() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (b"two".as_slice(), 0o600));
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        write(&link, b"three").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(matches!(write(&folder.path().join("no/file"), b""), Err(FileError::NotFound)));
    }

    #[test]
    fn symlinks_stay_symlinks_even_dangling_ones() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("config");
        symlink("dotfiles/aws", &link).unwrap();
        write_user_file(&link, b"[default]\n").unwrap();
        write_user_file(&link, b"[profile a]\n").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let target = home.path().join("dotfiles/aws");
        assert_eq!(
            (fs::read(&target).unwrap().as_slice(), mode(&target)),
            (b"[profile a]\n".as_slice(), 0o600)
        );
        assert_eq!(mode(&home.path().join("dotfiles")), 0o700);
    }

    #[test]
    fn a_users_file_keeps_its_mode() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config");
        write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write_user_file(&path, b"two").unwrap();
        assert_eq!(mode(&path), 0o640);
    }

    #[test]
    fn what_cannot_be_replaced_is_known_before() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        write(&file, b"").unwrap();
        for fine in [file.clone(), home.path().join("new"), home.path().join("a/b/new")] {
            check_user_file_writable(&fine).unwrap();
            assert!(!home.path().join("a").exists(), "the check changes nothing");
        }
        let fifo = home.path().join("fifo");
        make_fifo(&fifo);
        let link = home.path().join("link");
        symlink(&link, &link).unwrap();
        for wrong in [fifo, link, home.path().to_owned(), file.join("below")] {
            assert!(check_user_file_writable(&wrong).is_err(), "{}", wrong.display());
            assert!(write_user_file(&wrong, b"").is_err(), "{}", wrong.display());
        }
        let read_only = home.path().join("read-only");
        create_folder(&read_only).unwrap();
        fs::set_permissions(&read_only, fs::Permissions::from_mode(0o500)).unwrap();
        let result = check_user_file_writable(&read_only.join("file"));
        assert_eq!(result.is_ok(), rustix::process::geteuid().is_root());
    }

    #[test]
    fn a_fifo_a_folder_and_a_loop_are_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let fifo = home.path().join("fifo");
        make_fifo(&fifo);
        assert!(matches!(write_user_file(&fifo, b""), Err(FileError::NotRegular)));
        assert!(matches!(write_user_file(home.path(), b""), Err(FileError::NotRegular)));
        let (one, other) = (home.path().join("one"), home.path().join("other"));
        symlink(&one, &other).unwrap();
        symlink(&other, &one).unwrap();
        assert_eq!(write_user_file(&one, b"").unwrap_err().to_string(), "its symlinks form a loop");
    }
}
