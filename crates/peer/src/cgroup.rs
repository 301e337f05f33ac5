//! The path of a cgroup by its id. The path names the systemd unit or scope, or the container, in which a program ran,
//! also after the program has ended.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where cgroups of version 2 are mounted: alone, or beside those of version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Exists in every folder of version 2.
const MARKER: &str = "cgroup.procs";
/// A machine with many containers has a few thousand cgroups.
const MAX_FOLDERS: usize = 10_000;

/// Returns the path of the cgroup below the mount, such as `/user.slice/user-1000.slice/session-3.scope`. Returns
/// `None` if it no longer exists, or if it is the root, which names nothing. It reads the whole tree, which takes
/// milliseconds.
pub fn cgroup_path(id: u64) -> Option<String> {
    let mount = MOUNTS.map(Path::new).into_iter().find(|mount| mount.join(MARKER).exists())?;
    find(mount, id)
}

/// The id of a cgroup is the inode number of its folder (on 64-bit systems).
fn find(mount: &Path, id: u64) -> Option<String> {
    let mut folders: Vec<PathBuf> = folders_in(mount);
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        seen += 1;
        if seen > MAX_FOLDERS {
            return None;
        }
        if fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.ino() == id) {
            return Some(format!("/{}", folder.strip_prefix(mount).ok()?.to_str()?));
        }
        folders.extend(folders_in(&folder));
    }
    None
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_found_by_the_inode_of_its_folder() {
        let mount = tempfile::tempdir().unwrap();
        let path = "user.slice/user-1000.slice/session-3.scope";
        fs::create_dir_all(mount.path().join(path)).unwrap();
        fs::create_dir_all(mount.path().join("system.slice/cron.service")).unwrap();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let id = inode(&mount.path().join(path));
        assert_eq!(find(mount.path(), id), Some(format!("/{path}")));
        assert_eq!(find(mount.path(), inode(mount.path())), None, "the root names nothing");
        fs::remove_dir(mount.path().join(path)).unwrap();
        assert_eq!(find(mount.path(), id), None);
    }
}
