//! Who can change the files that ssod reads and stores: the files themselves, and every folder and link on the way to
//! them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ssod_control::Check;
use ssod_private_files::{Fault, Need, exposures};

/// More paths are only counted.
const MAX_SHOWN: usize = 10;

/// A file or folder, and whether others may read it.
pub(super) struct Protected {
    pub(super) path: PathBuf,
    pub(super) need: Need,
}

/// Checks the paths and the folders above them, up to the home folder, or to the root for paths outside of it.
pub(super) fn check(protected: &[Protected], home: &Path) -> Vec<Check> {
    let exposed = protected.iter().flat_map(|Protected { path, need }| exposures(path, *need, home));
    report(&exposed.map(|exposure| (exposure.path, exposure.fault)).collect())
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
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

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
            check(&protected, &home)
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
