//! The endpoint's tokens: kept in the vault, and as files in the runtime folder for the SDKs that read files.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;
use ssod_endpoint::Tokens;
use ssod_model::{ProfileName, SecretStore};

/// Makes the tokens that are missing, keeps them, and writes the files. Blocks on the disk.
pub(crate) fn provide(
    tokens: &Tokens,
    profiles: &[ProfileName],
    store: &impl SecretStore,
    file: impl Fn(Option<&ProfileName>) -> PathBuf,
    folder: &Path,
) -> Result<()> {
    if tokens.ensure(profiles)? {
        tracing::debug!("endpoint tokens were made");
    }
    tokens.save(|all| store.save_endpoint_tokens(all))?;
    crate::folders::private(folder)?;
    for profile in std::iter::once(None).chain(profiles.iter().map(Some)) {
        write(tokens, profile, &file(profile))?;
    }
    Ok(())
}

/// Without a newline at its end: most SDKs take one as part of the token, or refuse it.
fn write(tokens: &Tokens, profile: Option<&ProfileName>, path: &Path) -> Result<()> {
    let Some(token) = tokens.of(profile) else { return Ok(()) };
    if std::fs::read(path).is_ok_and(|kept| kept == token.expose().as_bytes()) {
        return Ok(());
    }
    let replace = || {
        let mut file = AtomicWriteFile::options().preserve_mode(false).mode(0o600).open(path)?;
        file.write_all(token.expose().as_bytes())?;
        file.commit()
    };
    replace().with_context(|| format!("cannot write {}", path.display()))
}
