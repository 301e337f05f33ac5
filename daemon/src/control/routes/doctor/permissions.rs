//! Who can change the files that ssod reads and stores: the files themselves, and every folder and link on the way to
//! them, because another user who can write to a folder can replace what is in it.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use ssod_control::Check;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;
/// More paths are only counted.
const MAX_SHOWN: usize = 10;
const STICKY: u32 = 0o1000;

/// A file or folder, and whether others may read it.
pub(super) struct Protected {
    pub(super) path: PathBuf,
    pub(super) need: Need,
}

/// What other users must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Read or change it.
    Private,
    /// Change it.
    Unchanged,
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

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// It belongs to another user.
    OtherOwner { uid: u32 },
    /// Others can read it.
    Readable,
    /// Others can write to the file.
    WritableFile,
    /// Others can write to the folder, and so replace what is in it.
    WritableFolder { mode: u32 },
}

/// Checks the paths and the folders above them, up to the home folder, or to the root for paths outside of it.
pub(super) fn check(protected: &[Protected], home: &Path, own_uid: u32) -> Vec<Check> {
    let home = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    let mut faults = BTreeMap::new();
    for Protected { path, need } in protected {
        let entries = entries_to(path);
        let last = fs::canonicalize(path).ok();
        for entry in entries {
            // What is above the home folder is the system's.
            if entry.path != home && home.starts_with(&entry.path) {
                continue;
            }
            let need = if Some(&entry.path) == last.as_ref() { *need } else { Need::Unchanged };
            if let Some(fault) = judge(&entry, need, own_uid) {
                faults.insert(entry.path, fault);
            }
        }
    }
    report(&faults)
}

/// Decides what is wrong. Root may own what must only be unchanged, because root can change everything anyway.
fn judge(entry: &Entry, need: Need, own_uid: u32) -> Option<Fault> {
    let is_trusted = entry.uid == own_uid || (entry.uid == 0 && need == Need::Unchanged);
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

/// Returns one check for each kind of fault, because each has one fix.
fn report(faults: &BTreeMap<PathBuf, Fault>) -> Vec<Check> {
    if faults.is_empty() {
        return vec![Check::ok(
            "permissions",
            "Only you can read what ssod stores and change what it reads.",
        )];
    }
    let with = |has: fn(&Fault) -> bool| {
        let found: Vec<(&PathBuf, &Fault)> = faults.iter().filter(|(_, fault)| has(fault)).collect();
        Some(found).filter(|found| !found.is_empty())
    };
    let failed = |message: String, fix: String| Check::failed("permissions", message, fix);
    let readable = with(|fault| matches!(fault, Fault::Readable)).map(|found| {
        failed(format!("Other users can access {}.", list(&found)), format!("chmod go= {}", words(&found)))
    });
    let files = with(|fault| matches!(fault, Fault::WritableFile)).map(|found| {
        failed(format!("Other users can change {}.", list(&found)), format!("chmod go-w {}", words(&found)))
    });
    let folders = with(|fault| matches!(fault, Fault::WritableFolder { .. })).map(|found| {
        let message = format!("Other users can replace the files in {}.", list(&found));
        failed(message, format!("chmod go-w {}", words(&found)))
    });
    let owned = with(|fault| matches!(fault, Fault::OtherOwner { .. })).map(|found| {
        let message = format!("Other users own {}, so they can change or replace it.", list(&found));
        failed(message, format!("sudo chown -h \"$(id -un)\" {}", words(&found)))
    });
    [readable, files, folders, owned].into_iter().flatten().collect()
}

/// Returns the paths for a sentence, with what the mode or the owner is.
fn list(found: &[(&PathBuf, &Fault)]) -> String {
    let show = |(path, fault): &(&PathBuf, &Fault)| match fault {
        Fault::OtherOwner { uid } => match ssod_peer::user_name(*uid) {
            Some(name) => format!("{} (user {name})", path.display()),
            None => format!("{} (user {uid})", path.display()),
        },
        Fault::WritableFolder { mode } => format!("{} (mode {mode:04o})", path.display()),
        Fault::Readable | Fault::WritableFile => path.display().to_string(),
    };
    let mut shown: Vec<String> = found.iter().take(MAX_SHOWN).map(show).collect();
    if found.len() > MAX_SHOWN {
        shown.push(format!("and {} more", found.len() - MAX_SHOWN));
    }
    shown.join(", ")
}

/// Returns the paths as the words of a shell's command.
fn words(found: &[(&PathBuf, &Fault)]) -> String {
    let quote = |path: &Path| {
        let text = path.display().to_string();
        shlex::try_quote(&text).map_or_else(|_| text.clone(), std::borrow::Cow::into_owned)
    };
    found.iter().map(|(path, _)| quote(path)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

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
    fn each_kind_of_fault_is_one_check_with_one_fix() {
        let root = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(root.path()).unwrap().join("my home");
        let (aws, vault) = (home.join(".aws"), home.join("vault"));
        fs::create_dir_all(&aws).unwrap();
        fs::create_dir(&vault).unwrap();
        fs::File::create_new(aws.join("config")).unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        // What is above the home folder is not ssod's business.
        mode(root.path(), 0o777);
        mode(&home, 0o755);
        mode(&aws, 0o755);
        mode(&aws.join("config"), 0o644);
        mode(&vault, 0o700);
        let check = || {
            let protected = [(aws.join("config"), Need::Unchanged), (vault.clone(), Need::Private)];
            let protected = protected.map(|(path, need)| Protected { path, need });
            check(&protected, &home, ssod_peer::own_uid())
        };
        assert_eq!(check().len(), 1);
        assert_eq!(check()[0].state, ssod_control::CheckState::Ok);
        mode(&aws, 0o777);
        mode(&home, 0o775);
        mode(&aws.join("config"), 0o666);
        mode(&vault, 0o755);
        let hints: Vec<_> = check().into_iter().map(|check| check.hint.unwrap()).collect();
        let shown = home.display();
        assert_eq!(
            hints,
            [
                format!("chmod go= '{shown}/vault'"),
                format!("chmod go-w '{shown}/.aws/config'"),
                format!("chmod go-w '{shown}' '{shown}/.aws'"),
            ]
        );
        assert!(check()[2].message.contains(&format!("{shown}/.aws (mode 0777)")), "{:?}", check());
    }
}
