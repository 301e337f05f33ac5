//! The endpoint's tokens: they are stored in the vault, and as files in the runtime folder for SDKs that read files.
//! Only the tokens that a shell has asked for are in files.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use ssod_control::Paths;
use ssod_endpoint::{TokenOwner, Tokens};
use ssod_model::{ProfileName, SecretStore};

use crate::state_file::StateFile;
use crate::system::folders;

/// The endpoint's tokens in force, and their files. Clones share one state.
#[derive(Clone)]
pub(crate) struct LiveEndpointTokens {
    tokens: Arc<Tokens>,
    state_file: Arc<StateFile>,
    paths: Arc<Paths>,
}

impl LiveEndpointTokens {
    /// Creates the handle without tokens, because the vault is not open yet.
    pub(crate) fn new(state_file: Arc<StateFile>, paths: Arc<Paths>) -> Self {
        Self { tokens: Arc::default(), state_file, paths }
    }

    /// Returns the tokens in force.
    pub(crate) fn in_force(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// Returns the file of that owner's present token.
    pub(crate) fn file(&self, owner: &TokenOwner) -> PathBuf {
        self.paths.token(owner.profile().map(ProfileName::as_str), self.state_file.generation(owner))
    }

    /// Creates the missing tokens, saves them in the vault, and writes the files that are needed. Blocks on the disk.
    ///
    /// A file is needed from the first time that a shell asks for it: writing a file takes some milliseconds, and an
    /// organisation may have ten thousand profiles.
    pub(crate) fn provide(&self, profiles: &[ProfileName], vault: &impl SecretStore) -> Result<()> {
        if self.tokens.ensure(profiles)? {
            tracing::debug!("endpoint tokens were created");
        }
        self.tokens.save(|all| vault.save_endpoint_tokens(all))?;
        folders::private(&self.paths.tokens())?;
        let present = self.present_files()?;
        let is_present =
            |owner: &TokenOwner| self.file(owner).file_name().is_some_and(|name| present.contains(name));
        // Earlier versions wrote every file, and recorded none.
        let unrecorded: Vec<_> = TokenOwner::all(profiles)
            .filter(|owner| !self.state_file.has_token_file(owner) && is_present(owner))
            .collect();
        if !unrecorded.is_empty() {
            self.state_file.save_token_files(&unrecorded)?;
        }
        for owner in TokenOwner::all(profiles).filter(|owner| self.state_file.has_token_file(owner)) {
            self.write(&owner)?;
        }
        Ok(())
    }

    /// Returns whether that owner's file is there and stays up to date.
    pub(crate) fn has_file(&self, owner: &TokenOwner) -> bool {
        self.state_file.has_token_file(owner) && self.file(owner).exists()
    }

    /// Writes that owner's file, from now on also at every start. Blocks on the disk; the caller must hold the vault's
    /// transition lock, so that a revocation does not happen in between.
    pub(crate) fn provide_file(&self, owner: &TokenOwner) -> Result<()> {
        if self.tokens.of(owner).is_none() {
            return Ok(());
        }
        folders::private(&self.paths.tokens())?;
        self.write(owner)?;
        if self.state_file.has_token_file(owner) { Ok(()) } else { self.state_file.save_token_files([owner]) }
    }

    fn present_files(&self) -> Result<HashSet<OsString>> {
        let folder = self.paths.tokens();
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        Ok(entries.flatten().map(|entry| entry.file_name()).collect())
    }

    /// Revokes the present tokens of these owners, and puts new ones in force and into files. Blocks on the disk; the
    /// caller must hold the vault's transition lock.
    pub(crate) fn revoke(
        &self,
        revoked: &[TokenOwner],
        profiles: &[ProfileName],
        vault: &impl SecretStore,
    ) -> Result<()> {
        let old: Vec<_> = revoked.iter().map(|owner| self.file(owner)).collect();
        self.state_file.save_revoked(revoked)?;
        for file in old {
            // The old token is about to become invalid, so it is harmless if its file cannot be removed.
            let _ = std::fs::remove_file(file);
        }
        self.tokens.renew(|owner| revoked.contains(owner))?;
        self.provide(profiles, vault)
    }

    /// Writes the owner's token to its file, without a newline at the end: most SDKs would take a newline as part of
    /// the token, or refuse it.
    fn write(&self, owner: &TokenOwner) -> Result<()> {
        let Some(token) = self.tokens.of(owner) else { return Ok(()) };
        let (path, token) = (self.file(owner), token.expose().as_bytes());
        if std::fs::read(&path).is_ok_and(|present| present == token) {
            return Ok(());
        }
        ssod_private_files::write(&path, token).with_context(|| format!("cannot write {}", path.display()))
    }
}
