//! Watches files that may be missing, in folders that may be missing, replaced by editors, or symlinks into
//! somebody's dotfiles: the folders are watched, and which ones is found out anew after each change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors write, rename and touch in one go; what happens within this counts as one change.
const SETTLE: Duration = Duration::from_millis(80);

/// Watches some files.
pub(crate) struct FileWatch {
    files: Vec<PathBuf>,
    watcher: RecommendedWatcher,
    events: mpsc::Receiver<()>,
    watched: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Starts watching; fails where the system cannot.
    pub(crate) fn new(files: Vec<PathBuf>) -> notify::Result<Self> {
        // One place is enough: a change that is not yet looked at covers those after it.
        let (changed, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = changed.try_send(());
            }
        })?;
        let mut watch = Self { files, watcher, events, watched: BTreeSet::new() };
        watch.arm();
        Ok(watch)
    }

    /// Ends after something changed near the files, and settled; whether it concerns them, the caller finds out.
    pub(crate) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep(SETTLE).await;
        while self.events.try_recv().is_ok() {}
        self.arm();
    }

    fn arm(&mut self) {
        let wanted: BTreeSet<PathBuf> = self.files.iter().flat_map(|file| folders_of(file)).collect();
        for gone in self.watched.difference(&wanted) {
            // It may be gone from the disk too.
            let _ = self.watcher.unwatch(gone);
        }
        for folder in &wanted {
            // Watching again is harmless, and needed where a folder was removed and made anew.
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::debug!(%error, folder = %folder.display(), "cannot watch");
            }
        }
        self.watched = wanted;
    }
}

/// The folder of the file, or the nearest one above that exists; the same of what a symlink leads to; and where a folder
/// on the way is a symlink itself, the folder that holds it.
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
    async fn a_file_is_noticed_however_it_comes() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".aws");
        let file = folder.join("config");
        let mut watch = FileWatch::new(vec![file.clone()]).unwrap();
        assert!(notices(&mut watch, || fs::create_dir(&folder).unwrap()).await, "the missing folder is made");
        assert!(notices(&mut watch, || drop(fs::File::create(&file).unwrap())).await, "the file is made");
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
