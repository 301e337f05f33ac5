//! Folders that only this user may access.

use std::path::Path;

use anyhow::{Result, anyhow};
use ssod_private_files::{FolderError, FolderState, check_private_folder, private_folder};

/// Creates the folder with mode 0700, or corrects the mode of this user's folder. Fails for a symlink and for another
/// user's folder.
pub(crate) fn private(path: &Path) -> Result<()> {
    let shown = path.display();
    match private_folder(path) {
        Ok(FolderState::Created | FolderState::AlreadyPrivate) => Ok(()),
        Ok(FolderState::MadePrivate { .. }) => {
            tracing::warn!(folder = %shown, "other users could access this folder; its mode is 0700 now");
            Ok(())
        }
        Err(error @ FolderError::NotFolder) => Err(anyhow!("{shown}: {error}. Remove it and start again")),
        Err(error @ (FolderError::OtherOwner { .. } | FolderError::TooOpen { .. })) => {
            Err(anyhow!("{shown}: {error}. Remove it, or set XDG_RUNTIME_DIR to a folder of yours"))
        }
        Err(FolderError::Io(error)) => Err(anyhow!("cannot create {shown}: {error}")),
    }
}

/// Checks the folder of the control socket, which `SSOD_SOCKET` may name: a client uses no socket in a folder that
/// other users can enter. Its mode is not corrected, because the folder may have another purpose.
pub(crate) fn check_socket_folder(socket: &Path) -> Result<()> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    check_private_folder(folder).map_err(|error| {
        let shown = folder.display();
        anyhow!("{shown}: {error}. Set SSOD_SOCKET to a path in a folder of yours that only you can enter (mode 0700)")
    })
}
