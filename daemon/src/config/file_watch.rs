//! Watches files. A file or its folder may be missing, replaced by an editor, or a symlink into the user's dotfiles, so
//! the folders are watched, and the set of folders is determined again after each change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// An editor makes several changes for one save; events within this time count as one change.
const SETTLE: Duration = Duration::from_millis(80);

/// Watches a set of files.
pub(crate) struct FileWatch {
    files: Vec<PathBuf>,
    watcher: RecommendedWatcher,
    events: mpsc::Receiver<()>,
    watched: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Starts watching; fails if the system cannot watch.
    pub(crate) fn new(files: Vec<PathBuf>) -> notify::Result<Self> {
        // A capacity of one is enough: a queued event covers all that follow it.
        let (changed, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // A full queue already has an event that covers this one.
                let _ = changed.try_send(());
            }
        })?;
        let mut watch = Self { files, watcher, events, watched: BTreeSet::new() };
        watch.watch_folders();
        Ok(watch)
    }

    /// Waits until something has changed in the folders and no event followed for a moment. The caller checks whether
    /// its files changed.
    pub(crate) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep(SETTLE).await;
        while self.events.try_recv().is_ok() {}
        self.watch_folders();
    }

    fn watch_folders(&mut self) {
        let wanted: BTreeSet<PathBuf> = self.files.iter().flat_map(|file| folders_of(file)).collect();
        for gone in self.watched.difference(&wanted) {
            // This fails if the folder was removed, which ended the watch already.
            let _ = self.watcher.unwatch(gone);
        }
        for folder in &wanted {
            // Watching a folder twice is harmless, and needed if it was removed and created again.
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::debug!(%error, folder = %folder.display(), "cannot watch");
            }
        }
        self.watched = wanted;
    }
}

/// Returns the nearest existing folder above the file, the same for the target of a symlink, and the parent of each
/// folder in the path that is itself a symlink.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let nearest = |path: &Path| path.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned);
    let target = file.canonicalize().ok();
    let links = file.ancestors().skip(1).filter(|folder| folder.is_symlink()).filter_map(Path::parent);
    let links = links.map(Path::to_owned).collect::<Vec<_>>();
    nearest(file).into_iter().chain(target.as_deref().and_then(nearest)).chain(links).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let mut watch = FileWatch::new(vec![file.clone()]).unwrap();
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
    async fn a_symlinks_target_is_watched_too() {
        let home = tempfile::tempdir().unwrap();
        let (dotfiles, folder) = (home.path().join("dotfiles"), home.path().join(".aws"));
        fs::create_dir(&dotfiles).unwrap();
        fs::create_dir(&folder).unwrap();
        let target = dotfiles.join("aws-config");
        fs::File::create(&target).unwrap();
        std::os::unix::fs::symlink(&target, folder.join("config")).unwrap();
        let mut watch = FileWatch::new(vec![folder.join("config")]).unwrap();
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
