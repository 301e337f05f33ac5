//! Folders that only this user may enter.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Makes the folder with mode 0700, or mends the mode of our own; refuses a symlink and another user's folder.
pub(crate) fn private(path: &Path) -> Result<()> {
    let shown = path.display();
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make {shown}")),
    }
    let facts = fs::symlink_metadata(path).with_context(|| format!("cannot look at {shown}"))?;
    ensure!(facts.is_dir(), "{shown} is not a folder (a symlink is not enough). Remove it and start again");
    let own = ssod_peer::own_uid();
    ensure!(
        facts.uid() == own,
        "{shown} belongs to user {}, not to you ({own}). Remove it, or set XDG_RUNTIME_DIR to a folder of yours",
        facts.uid()
    );
    if facts.mode() & 0o077 != 0 {
        tracing::warn!(folder = %shown, "others could enter this folder; its mode is 0700 now");
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("cannot mend {shown}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_modes_are_mended_and_symlinks_refused() {
        let home = tempfile::tempdir().unwrap();
        let wide = home.path().join("wide");
        fs::create_dir(&wide).unwrap();
        fs::set_permissions(&wide, fs::Permissions::from_mode(0o777)).unwrap();
        private(&wide).unwrap();
        assert_eq!(fs::metadata(&wide).unwrap().mode() & 0o777, 0o700);
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&wide, &link).unwrap();
        assert!(private(&link).unwrap_err().to_string().contains("symlink"));
    }
}
