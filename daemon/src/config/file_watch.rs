//! Watches files. A file or its folder may be missing, replaced by an editor, or a symlink into the user's dotfiles, so
//! the folders are watched, and the set of folders is determined again after each change.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::system::file_access;

/// An editor makes several changes for one save; events within this time count as one change.
const SETTLE: Duration = Duration::from_millis(80);

/// The kernel follows as many symlinks in one path.
const MAX_LINKS: usize = 40;

/// Watches a set of files.
pub(crate) struct FileWatch {
    watched: Arc<Mutex<WatchedFolders>>,
    events: mpsc::Receiver<()>,
    /// Names the files to [`file_access`].
    lane: PathBuf,
}

/// The folders that are watched for the files. Finding and watching them blocks if a file system does not answer.
struct WatchedFolders {
    files: Vec<PathBuf>,
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Starts watching; fails if the system cannot watch.
    pub(crate) async fn new(files: Vec<PathBuf>) -> notify::Result<Self> {
        // A capacity of one is enough: a queued event covers all that follow it.
        let (changed, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // A full queue already has an event that covers this one.
                let _ = changed.try_send(());
            }
        })?;
        let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        let lane = PathBuf::from(format!("watch {}", names.join(" ")));
        let folders = WatchedFolders { files, watcher, folders: BTreeSet::new() };
        let watch = Self { watched: Arc::new(Mutex::new(folders)), events, lane };
        watch.watch_folders().await;
        Ok(watch)
    }

    /// Waits until something has changed in the folders and no event followed for a moment. The caller then compares the
    /// contents of its files. It must not do so earlier: on macOS, FSEvents restarts for each folder that is watched
    /// again, and reports no change that happens meanwhile. The watch runs again when this returns, so the caller's
    /// comparison finds such a change.
    pub(crate) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep(SETTLE).await;
        while self.events.try_recv().is_ok() {}
        self.watch_folders().await;
    }

    /// Watches the folders of the files, which may be other ones now. While a file system does not answer, the earlier
    /// ones stay watched.
    pub(crate) async fn watch_folders(&self) {
        let watched = self.watched.clone();
        let update = move || watched.lock().unwrap_or_else(PoisonError::into_inner).update();
        if let Err(error) = file_access::access(&self.lane, update).await {
            // Reading the files reports it to the user.
            tracing::debug!(%error, "the folders cannot be watched now");
        }
    }
}

impl WatchedFolders {
    fn update(&mut self) {
        let wanted: BTreeSet<PathBuf> = self.files.iter().flat_map(|file| folders_of(file)).collect();
        for gone in self.folders.difference(&wanted) {
            // This fails if the folder was removed, which ended the watch already.
            let _ = self.watcher.unwatch(gone);
        }
        for folder in &wanted {
            // Watching a folder twice is harmless, and needed if it was removed and created again.
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::debug!(%error, folder = %folder.display(), "cannot watch");
            }
        }
        self.folders = wanted;
    }
}

/// Returns the folders in which a change can change what the path leads to: that of each symlink on the way, also where
/// a folder is a symlink, and that of the file. If something on the way is missing, the nearest existing folder counts.
fn folders_of(file: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut resolved = PathBuf::new();
    let mut rest: VecDeque<OsString> = components(file).collect();
    let mut links = 0;
    while let Some(component) = rest.pop_front() {
        if component == ".." {
            resolved.pop();
            continue;
        }
        let path = resolved.join(&component);
        match std::fs::read_link(&path) {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                folders.insert(resolved.clone());
                for component in components(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(component);
                }
                if target.is_absolute() {
                    resolved = PathBuf::new();
                }
            }
            _ if !rest.is_empty() && path.is_dir() => resolved = path,
            // The file, or the first component that is missing.
            _ => break,
        }
    }
    folders.insert(resolved);
    folders
}

fn components(path: &Path) -> impl Iterator<Item = OsString> {
    let components = path.components().filter(|component| *component != Component::CurDir);
    components.map(|component| component.as_os_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    async fn notices(watch: &mut FileWatch, change: impl FnOnce()) -> bool {
        change();
        tokio::time::timeout(Duration::from_secs(2), watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn every_change_of_a_file_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".aws");
        let file = folder.join("config");
        let mut watch = FileWatch::new(vec![file.clone()]).await.unwrap();
        assert!(
            notices(&mut watch, || fs::create_dir(&folder).unwrap()).await,
            "the missing folder is created"
        );
        assert!(notices(&mut watch, || drop(fs::File::create(&file).unwrap())).await, "the file is created");
        let new = folder.join("config.new");
        fs::File::create(&new).unwrap();
        watch.changed().await;
        assert!(notices(&mut watch, || fs::rename(&new, &file).unwrap()).await, "the file is replaced");
        assert!(notices(&mut watch, || fs::remove_file(&file).unwrap()).await, "the file is removed");
    }

    #[tokio::test]
    async fn a_change_behind_any_link_of_a_chain_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = home.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let (aws, stow, store, other) = (folder(".aws"), folder("stow"), folder("store"), folder("other"));
        for path in [store.join("config"), other.join("config")] {
            fs::File::create(path).unwrap();
        }
        // The file is a link to a link in a folder that is a link: config -> stow/config -> current/config, current ->
        // store.
        symlink("../stow/config", aws.join("config")).unwrap();
        symlink(home.path().join("current/config"), stow.join("config")).unwrap();
        symlink("store", home.path().join("current")).unwrap();
        let mut watch = FileWatch::new(vec![aws.join("config")]).await.unwrap();
        let replace_link = |target: &Path, link: PathBuf| {
            let new = home.path().join("other/new-link");
            symlink(target, &new).unwrap();
            fs::rename(new, link).unwrap();
        };
        let write = |path: PathBuf| File::options().write(true).open(path).unwrap().set_len(3).unwrap();
        assert!(notices(&mut watch, || write(store.join("config"))).await, "the file is written");
        assert!(
            notices(&mut watch, || replace_link(&other, home.path().join("current"))).await,
            "the folder's link"
        );
        assert!(notices(&mut watch, || write(other.join("config"))).await, "the file behind the new link");
        // The renames in `other` are changes there, too.
        while notices(&mut watch, || {}).await {}
        let direct = store.join("config");
        let (link, new) = (stow.join("config"), stow.join("new-link"));
        symlink(&direct, &new).unwrap();
        assert!(notices(&mut watch, || fs::rename(&new, &link).unwrap()).await, "the link in the middle");
        while notices(&mut watch, || {}).await {}
        assert!(notices(&mut watch, || write(direct)).await, "the file behind the link in the middle");
    }

    #[tokio::test]
    async fn the_swap_of_a_mounted_volume_is_noticed() {
        // Kubernetes: config -> ..data/config, ..data -> a folder with a time stamp, swapped by a rename.
        let mount = tempfile::tempdir().unwrap();
        let version = |name: &str| {
            fs::create_dir(mount.path().join(name)).unwrap();
            fs::File::create(mount.path().join(name).join("config")).unwrap();
        };
        version("..1");
        symlink("..1", mount.path().join("..data")).unwrap();
        symlink("..data/config", mount.path().join("config")).unwrap();
        let mut watch = FileWatch::new(vec![mount.path().join("config")]).await.unwrap();
        version("..2");
        symlink("..2", mount.path().join("..data_tmp")).unwrap();
        while notices(&mut watch, || {}).await {}
        let swap = || fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
        assert!(notices(&mut watch, swap).await);
        let path = mount.path().join("..2/config");
        assert!(
            notices(&mut watch, || File::options().write(true).open(path).unwrap().set_len(3).unwrap()).await
        );
    }

    #[test]
    fn a_loop_of_links_ends() {
        let home = tempfile::tempdir().unwrap();
        symlink("two", home.path().join("one")).unwrap();
        symlink("one", home.path().join("two")).unwrap();
        assert!(folders_of(&home.path().join("one/config")).contains(home.path()));
    }

    #[tokio::test]
    async fn a_symlinks_target_is_watched_too() {
        let home = tempfile::tempdir().unwrap();
        let (dotfiles, folder) = (home.path().join("dotfiles"), home.path().join(".aws"));
        fs::create_dir(&dotfiles).unwrap();
        fs::create_dir(&folder).unwrap();
        let target = dotfiles.join("aws-config");
        fs::File::create(&target).unwrap();
        std::os::unix::fs::symlink(&target, folder.join("config")).unwrap();
        let mut watch = FileWatch::new(vec![folder.join("config")]).await.unwrap();
        assert!(
            notices(&mut watch, || fs::OpenOptions::new()
                .write(true)
                .open(&target)
                .unwrap()
                .set_len(3)
                .unwrap())
            .await
        );
    }
}
