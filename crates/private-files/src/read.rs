//! Reads a whole file, up to a limit.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::FileError;
use crate::open::{GROUP_AND_OTHERS, Symlinks, check_owner, open_regular};
use crate::ownership::{Need, exposures};

/// The default limit for files that only ssod writes; most have less than a hundred kilobytes.
pub const MAX_PRIVATE_BYTES: u64 = 1024 * 1024;
/// The default limit for files that the user manages. AWS config files of large organisations have several hundred
/// kilobytes.
pub const MAX_USER_BYTES: u64 = 8 * 1024 * 1024;

/// The conditions under which a file is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadPolicy {
    symlinks: Symlinks,
    owner: Owner,
    /// The permissions that the group and others may have, a part of `GROUP_AND_OTHERS`.
    others: u32,
    max_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Any,
    ThisUser,
    ThisUserOrRoot,
}

impl ReadPolicy {
    /// Returns the policy for a file that only ssod writes: not a symlink, owned by this user, no permissions for
    /// others.
    pub const fn private() -> Self {
        Self { symlinks: Symlinks::Refuse, owner: Owner::ThisUser, others: 0, max_bytes: MAX_PRIVATE_BYTES }
    }

    /// Returns the policy for a file that the user manages, perhaps with a dotfile manager: a regular file within the
    /// limit, of any owner and mode; symlinks are followed.
    pub const fn user_file() -> Self {
        Self {
            symlinks: Symlinks::Follow,
            owner: Owner::Any,
            others: GROUP_AND_OTHERS,
            max_bytes: MAX_USER_BYTES,
        }
    }

    /// Returns the policy for a file that decides what ssod does, such as the commands that it runs: it belongs to this
    /// user or root, and no other user can write to it. Symlinks are followed, as for other files that the user
    /// manages.
    const fn trusted() -> Self {
        Self { owner: Owner::ThisUserOrRoot, others: 0o055, ..Self::user_file() }
    }

    /// Refuses a file that has more bytes than this.
    #[must_use]
    pub const fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Accepts a file on which group and others have these permissions, for example 0o044.
    #[must_use]
    pub const fn allow_others(self, permissions: u32) -> Self {
        Self { others: permissions & GROUP_AND_OTHERS, ..self }
    }

    /// Accepts a file of any owner.
    #[must_use]
    pub const fn any_owner(self) -> Self {
        Self { owner: Owner::Any, ..self }
    }

    fn check_and_open(&self, path: &Path) -> Result<(File, u64), FileError> {
        let (file, metadata) = open_regular(path, OpenOptions::new().read(true), self.symlinks)?;
        match self.owner {
            Owner::ThisUser => check_owner(&metadata)?,
            Owner::ThisUserOrRoot if metadata.uid() != 0 => check_owner(&metadata)?,
            Owner::ThisUserOrRoot | Owner::Any => {}
        }
        if metadata.mode() & GROUP_AND_OTHERS & !self.others != 0 {
            return Err(FileError::TooOpen { mode: metadata.mode() & 0o7777 });
        }
        if metadata.len() > self.max_bytes {
            return Err(FileError::TooLarge { max_bytes: self.max_bytes });
        }
        Ok((file, metadata.len()))
    }
}

/// Opens a file that the policy accepts, for a log that grows while the caller reads it.
pub fn open_to_read(path: &Path, policy: &ReadPolicy) -> Result<File, FileError> {
    Ok(policy.check_and_open(path)?.0)
}

/// Reads the whole file.
///
/// The buffer has the file's size from the start, so a secret is not copied while the buffer grows. A caller that reads
/// a secret wraps the result in `Zeroizing`.
pub fn read(path: &Path, policy: &ReadPolicy) -> Result<Vec<u8>, FileError> {
    let (file, size) = policy.check_and_open(path)?;
    // One byte more, because the last read, which finds the end of the file, needs free space in the buffer.
    let mut content = Vec::with_capacity(usize::try_from(size + 1).unwrap_or_default());
    // The file may grow while it is read.
    file.take(policy.max_bytes + 1).read_to_end(&mut content)?;
    if content.len() as u64 > policy.max_bytes {
        return Err(FileError::TooLarge { max_bytes: policy.max_bytes });
    }
    Ok(content)
}

/// Reads a whole file that decides what ssod does, and that only this user and root can change: the file, every link to
/// it, and every folder on the way from the home folder (for a file outside of it, from the root).
pub fn read_trusted(path: &Path, home: &Path) -> Result<Vec<u8>, FileError> {
    if let Some(exposure) = exposures(path, Need::Unchanged, home).into_iter().next() {
        return Err(FileError::Exposed(exposure));
    }
    // The open file is checked once more. No other user can have replaced it since the check of the folders.
    read(path, &ReadPolicy::trusted())
}

/// Reads the whole file as UTF-8 text.
pub fn read_to_string(path: &Path, policy: &ReadPolicy) -> Result<String, FileError> {
    String::from_utf8(read(path, policy)?).map_err(|error| {
        let (valid, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        FileError::NotText { line: valid.split(|byte| *byte == b'\n').count() }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    pub(crate) fn make_fifo(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    fn file_with_mode(folder: &Path, mode: u32) -> PathBuf {
        let path = folder.join(format!("mode-{mode:o}"));
        File::create(&path).unwrap().write_all(b"text").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn reads_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        crate::write(&path, b"secret").unwrap();
        assert_eq!(read(&path, &ReadPolicy::private()).unwrap(), b"secret");
        assert_eq!(read_to_string(&path, &ReadPolicy::user_file()).unwrap(), "secret");
        crate::write(&path, b"one\ntwo\n\xc3\xa4 \xff\n").unwrap();
        let refused = read_to_string(&path, &ReadPolicy::private()).unwrap_err();
        assert_eq!(refused.to_string(), "line 3 has bytes that are not UTF-8; save the file as UTF-8 text");
    }

    #[test]
    fn a_missing_file_has_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(&folder.path().join("no"), &ReadPolicy::private()), Err(FileError::NotFound)));
    }

    #[test]
    fn a_symlink_is_refused_unless_the_user_manages_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink(file_with_mode(folder.path(), 0o600), &link).unwrap();
        assert!(matches!(read(&link, &ReadPolicy::private()), Err(FileError::Symlink)));
        assert_eq!(read(&link, &ReadPolicy::user_file()).unwrap(), b"text");
    }

    #[test]
    fn fifos_sockets_folders_and_devices_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        make_fifo(&fifo);
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [&fifo, &socket, folder.path(), Path::new("/dev/zero")] {
            for policy in [ReadPolicy::private(), ReadPolicy::user_file()] {
                assert!(matches!(read(path, &policy), Err(FileError::NotRegular)), "{}", path.display());
            }
        }
    }

    #[test]
    fn another_users_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let (path, owner) =
            if is_root { (file_with_mode(folder.path(), 0o600), 4242) } else { ("/etc/passwd".into(), 0) };
        if is_root {
            std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
        }
        let refused = read(&path, &ReadPolicy::private().allow_others(0o044));
        assert!(matches!(refused, Err(FileError::OtherOwner { uid }) if uid == owner));
        read(&path, &ReadPolicy::private().allow_others(0o044).any_owner()).unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_unless_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = file_with_mode(folder.path(), 0o644);
        let refused = read(&path, &ReadPolicy::private()).unwrap_err();
        assert_eq!(refused.to_string(), "other users have access to it (mode 0644)");
        read(&path, &ReadPolicy::private().allow_others(0o044)).unwrap();
        let writable = file_with_mode(folder.path(), 0o666);
        let refused = read(&writable, &ReadPolicy::private().allow_others(0o044));
        assert!(matches!(refused, Err(FileError::TooOpen { mode: 0o666 })));
        read(&writable, &ReadPolicy::user_file()).unwrap();
    }

    #[test]
    fn a_trusted_file_can_be_changed_by_this_user_only() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        let file = file_with_mode(&home, 0o644);
        let link = home.join("link");
        symlink(&file, &link).unwrap();
        assert_eq!(read_trusted(&link, &home).unwrap(), b"text", "a dotfile manager's link");
        let refusal = |path: &Path| read_trusted(path, &home).unwrap_err().to_string();
        for mode in [0o664, 0o646] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            for path in [&file, &link] {
                assert!(refusal(path).contains("other users can change"), "{mode:o}");
            }
            // The open file is checked, too.
            assert!(matches!(read(&file, &ReadPolicy::trusted()), Err(FileError::TooOpen { .. })));
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(refusal(&link).contains("(mode 0770)"));
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(read_trusted(&home.join("no"), &home), Err(FileError::NotFound)));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(4242), None).unwrap();
            assert!(refusal(&link).contains("belongs to user 4242"));
            assert!(matches!(read(&file, &ReadPolicy::trusted()), Err(FileError::OtherOwner { uid: 4242 })));
            std::os::unix::fs::chown(&file, Some(0), None).unwrap();
            std::os::unix::fs::lchown(&link, Some(4242), None).unwrap();
            assert!(refusal(&link).contains("link belongs to user 4242"), "another user's link");
        }
    }

    #[test]
    fn a_large_or_sparse_file_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = file_with_mode(folder.path(), 0o600);
        read(&path, &ReadPolicy::private().max_bytes(4)).unwrap();
        let refused = read(&path, &ReadPolicy::private().max_bytes(3));
        assert!(matches!(refused, Err(FileError::TooLarge { max_bytes: 3 })));
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read(&path, &ReadPolicy::user_file()), Err(FileError::TooLarge { .. })));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_that_hides_its_size_is_read_up_to_the_limit() {
        let path = Path::new("/proc/self/status");
        let refused = read(path, &ReadPolicy::user_file().max_bytes(10));
        assert!(matches!(refused, Err(FileError::TooLarge { max_bytes: 10 })));
    }
}
