//! Who can change a file: its owner, and every folder and link on the way to it, because another user who can write to
//! a folder can replace what is in it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// What other users must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Read or change it.
    Private,
    /// Change it.
    Unchanged,
}

/// What is wrong with a file, a folder or a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It belongs to another user.
    OtherOwner {
        /// The owner.
        uid: u32,
    },
    /// Others can read it.
    Readable,
    /// Others can write to the file.
    WritableFile,
    /// Others can write to the folder, and so replace what is in it.
    WritableFolder {
        /// Its mode, without the file type.
        mode: u32,
    },
}

/// A file, or a folder or link on the way to one, through which other users can read or change the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The file, the folder or the link.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Continues "…, because ".
impl fmt::Display for Exposure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.fault {
            Fault::OtherOwner { uid } => write!(formatter, "{path} belongs to user {uid}, not to you"),
            Fault::Readable => write!(formatter, "other users can access {path}"),
            Fault::WritableFile => write!(formatter, "other users can change {path}"),
            Fault::WritableFolder { mode } => {
                write!(formatter, "other users can replace the files in {path} (mode {mode:04o})")
            }
        }
    }
}

impl Exposure {
    /// Returns the command that fixes it.
    pub fn remedy(&self) -> String {
        let path = quote(&self.path.display().to_string());
        match self.fault {
            Fault::OtherOwner { .. } => format!("sudo chown -h \"$(id -un)\" {path}"),
            Fault::Readable => format!("chmod go= {path}"),
            Fault::WritableFile | Fault::WritableFolder { .. } => format!("chmod go-w {path}"),
        }
    }
}

/// Quotes a path as a word of a shell, if it needs quotes.
fn quote(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@".contains(&byte);
    if path.bytes().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// A file, a folder or a link on the way to one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    kind: EntryKind,
    mode: u32,
    uid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryKind {
    File,
    Folder,
    Link,
}

/// Returns everything on the way to the path that exposes it to other users, from the root on. What is above the home
/// folder is the system's, so it is not checked for paths below the home folder. Root may own what must only be
/// unchanged, because root can change everything anyway.
pub fn exposures(path: &Path, need: Need, home: &Path) -> Vec<Exposure> {
    let home = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    let last = fs::canonicalize(path).ok();
    let own_uid = rustix::process::geteuid().as_raw();
    let is_checked = |entry: &Entry| entry.path == home || !home.starts_with(&entry.path);
    let exposed = entries_to(path).into_iter().filter(is_checked).filter_map(|entry| {
        let need = if Some(&entry.path) == last.as_ref() { need } else { Need::Unchanged };
        judge(&entry, need, own_uid).map(|fault| Exposure { path: entry.path, fault })
    });
    exposed.collect()
}

/// Decides what is wrong.
fn judge(entry: &Entry, need: Need, own_uid: u32) -> Option<Fault> {
    let is_trusted = entry.uid == own_uid || (entry.uid == ROOT && need == Need::Unchanged);
    if !is_trusted {
        return Some(Fault::OtherOwner { uid: entry.uid });
    }
    match (entry.kind, need) {
        // A link's mode has no meaning; its folder decides who can replace it.
        (EntryKind::Link, _) => None,
        (_, Need::Private) if entry.mode & 0o077 != 0 => Some(Fault::Readable),
        (EntryKind::File, _) if entry.mode & 0o022 != 0 => Some(Fault::WritableFile),
        // In a folder with the sticky bit, such as /tmp, only the owner of a file can replace it.
        (EntryKind::Folder, _) if entry.mode & 0o022 != 0 && entry.mode & STICKY == 0 => {
            Some(Fault::WritableFolder { mode: entry.mode & 0o7777 })
        }
        (EntryKind::File | EntryKind::Folder, _) => None,
    }
}

/// Returns everything that the kernel visits on the way to the path, links and their targets included, as far as it
/// exists.
fn entries_to(path: &Path) -> Vec<Entry> {
    let mut left: VecDeque<OsString> = names(path);
    let (mut at, mut links, mut entries) = (PathBuf::from("/"), 0, Vec::new());
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let Ok(facts) = fs::symlink_metadata(&next) else { break };
        let kind = match facts.file_type() {
            kind if kind.is_symlink() => EntryKind::Link,
            kind if kind.is_dir() => EntryKind::Folder,
            _ => EntryKind::File,
        };
        entries.push(Entry { path: next.clone(), kind, mode: facts.mode(), uid: facts.uid() });
        if kind != EntryKind::Link {
            at = next;
            continue;
        }
        links += 1;
        let Ok(target) = fs::read_link(&next) else { break };
        if links > MAX_LINKS {
            break;
        }
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            left.push_front(name);
        }
    }
    entries
}

fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

/// A folder of another user, in which this user's files are expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherUsersFolder {
    /// The folder.
    pub path: PathBuf,
    /// Its owner.
    pub uid: u32,
}

/// Returns the folder itself, or if it does not exist the nearest folder above it, if that belongs to another user.
/// Root is no other user: the folders of the system belong to root, and their modes decide what this user may do there.
pub fn other_users_folder(path: &Path) -> Option<OtherUsersFolder> {
    let nearest = path.ancestors().find_map(|folder| Some((folder, fs::metadata(folder).ok()?)));
    let (folder, metadata) = nearest?;
    let is_own = [ROOT, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    (!is_own).then(|| OtherUsersFolder { path: folder.to_owned(), uid: metadata.uid() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    const OWN: u32 = 1000;

    #[test]
    fn modes_and_owners_are_judged() {
        use EntryKind::{File, Folder, Link};
        use Need::{Private, Unchanged};
        let folder = |mode| Some(Fault::WritableFolder { mode });
        let other = Some(Fault::OtherOwner { uid: 7 });
        for (kind, mode, uid, need, expected) in [
            (File, 0o100_644, OWN, Unchanged, None),
            (File, 0o100_664, OWN, Unchanged, Some(Fault::WritableFile)),
            (File, 0o100_602, OWN, Unchanged, Some(Fault::WritableFile)),
            (File, 0o100_644, 0, Unchanged, None),
            (File, 0o100_644, 7, Unchanged, other),
            (File, 0o100_600, OWN, Private, None),
            (File, 0o100_640, OWN, Private, Some(Fault::Readable)),
            (File, 0o100_600, 0, Private, Some(Fault::OtherOwner { uid: 0 })),
            (Folder, 0o040_755, OWN, Unchanged, None),
            (Folder, 0o040_777, OWN, Unchanged, folder(0o777)),
            (Folder, 0o040_775, OWN, Unchanged, folder(0o775)),
            (Folder, 0o040_775, 0, Unchanged, folder(0o775)),
            (Folder, 0o041_777, 0, Unchanged, None),
            (Folder, 0o041_777, 7, Unchanged, other),
            (Folder, 0o040_700, OWN, Private, None),
            (Folder, 0o040_711, OWN, Private, Some(Fault::Readable)),
            (Folder, 0o041_777, OWN, Private, Some(Fault::Readable)),
            (Link, 0o120_777, OWN, Unchanged, None),
            (Link, 0o120_777, OWN, Private, None),
            (Link, 0o120_777, 7, Unchanged, other),
        ] {
            let entry = Entry { path: "/x".into(), kind, mode, uid };
            assert_eq!(judge(&entry, need, OWN), expected, "{kind:?} {mode:o} {uid} {need:?}");
        }
        let of_root = Entry { path: "/x".into(), kind: File, mode: 0o100_600, uid: OWN };
        assert_eq!(
            judge(&of_root, Need::Unchanged, 0),
            Some(Fault::OtherOwner { uid: OWN }),
            "root trusts root only"
        );
    }

    #[test]
    fn every_folder_and_link_on_the_way_is_visited() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        fs::create_dir_all(root.join("home/.aws")).unwrap();
        fs::create_dir_all(root.join("dotfiles/aws")).unwrap();
        fs::File::create_new(root.join("dotfiles/aws/real")).unwrap();
        symlink("real", root.join("dotfiles/aws/config")).unwrap();
        symlink("../../dotfiles/./aws/config", root.join("home/.aws/config")).unwrap();
        let visited: Vec<_> = entries_to(&root.join("home/.aws/config"))
            .into_iter()
            .filter_map(|entry| Some((entry.path.strip_prefix(&root).ok()?.to_str()?.to_owned(), entry.kind)))
            .filter(|(path, _)| !path.is_empty())
            .collect();
        let expected = [
            ("home", EntryKind::Folder),
            ("home/.aws", EntryKind::Folder),
            ("home/.aws/config", EntryKind::Link),
            ("dotfiles", EntryKind::Folder),
            ("dotfiles/aws", EntryKind::Folder),
            ("dotfiles/aws/config", EntryKind::Link),
            ("dotfiles/aws/real", EntryKind::File),
        ];
        assert_eq!(visited, expected.map(|(path, kind)| (path.to_owned(), kind)));
        // Links that form a ring, and a path that ends early.
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert!(entries_to(&root.join("a")).len() < 100);
        assert_eq!(entries_to(&root.join("home/absent/config")).last().unwrap().path, root.join("home"));
    }

    #[test]
    fn the_first_exposure_on_the_way_is_named_with_the_command_that_fixes_it() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        let folder = home.join("it's mine");
        fs::create_dir(&folder).unwrap();
        fs::File::create_new(folder.join("file")).unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(&folder, 0o755);
        mode(&folder.join("file"), 0o644);
        let found = || exposures(&folder.join("file"), Need::Unchanged, &home);
        assert_eq!(found(), []);
        mode(&folder.join("file"), 0o664);
        mode(&folder, 0o777);
        let found = found();
        let shown = folder.display();
        assert_eq!(found[0].to_string(), format!("other users can replace the files in {shown} (mode 0777)"));
        assert_eq!(found[0].remedy(), format!("chmod go-w '{}/it'\\''s mine'", home.display()));
        assert_eq!(found[1].to_string(), format!("other users can change {shown}/file"));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_missing_folder_belongs_to_the_owner_of_the_nearest_one_above_it() {
        assert_eq!(
            other_users_folder(Path::new("/usr/absent/folder")),
            None,
            "root's folders are the system's"
        );
        let own = tempfile::tempdir().unwrap();
        assert_eq!(other_users_folder(&own.path().join("a/b")), None);
        if rustix::process::geteuid().is_root() {
            let foreign = own.path().join("foreign");
            fs::create_dir(&foreign).unwrap();
            chown(&foreign, Some(4242), None).unwrap();
            let expected = Some(OtherUsersFolder { path: foreign.clone(), uid: 4242 });
            assert_eq!(other_users_folder(&foreign.join("a/b")), expected);
            symlink(&foreign, own.path().join("link")).unwrap();
            assert_eq!(other_users_folder(&own.path().join("link/a")).map(|other| other.uid), Some(4242));
        }
    }
}
