//! Creates, renews and revokes the endpoint's tokens, never during a transition of the vault, and makes old copies of
//! the vault's files useless after a revocation.

use anyhow::Result;
use ssod_endpoint::TokenOwner;

use super::{VaultKeeper, VaultServices};
use crate::vault::outcome::RevokeError;

impl VaultKeeper {
    /// Creates the missing endpoint tokens, and writes the files that shells have asked for, if the vault is open.
    /// While it is closed, the existing tokens are not known.
    pub(crate) async fn provide_tokens(&self) -> Result<()> {
        let _transition = self.lock_transition().await;
        if self.is_open() { self.provide_tokens_in_transition().await } else { Ok(()) }
    }

    /// Makes sure that the file with that owner's token is there and up to date.
    pub(crate) async fn provide_token_file(&self, owner: &TokenOwner) -> Result<()> {
        let (tokens, checked) = (self.0.services.tokens.clone(), owner.clone());
        if tokio::task::spawn_blocking(move || tokens.has_file(&checked)).await? {
            return Ok(());
        }
        let _transition = self.lock_transition().await;
        let (tokens, owner) = (self.0.services.tokens.clone(), owner.clone());
        tokio::task::spawn_blocking(move || tokens.provide_file(&owner)).await?
    }

    /// Renews the endpoint's tokens if that is due and the vault is open.
    pub(super) async fn renew_due_tokens(&self) -> Result<()> {
        let services = &self.0.services;
        let is_due = || services.tokens.renewal_at().is_some_and(|at| at <= services.clock.now());
        let _transition = self.lock_transition().await;
        if !self.is_open() || !is_due() {
            return Ok(());
        }
        let keeper = self.clone();
        let renewing = tokio::task::spawn_blocking(move || {
            let VaultServices { tokens, vault, .. } = &keeper.0.services;
            tokens.renew_if_due(vault.as_ref())
        });
        if renewing.await?? {
            self.start_writing_token_files();
        }
        Ok(())
    }

    /// Makes every copy of the vault's files from before a sign-out useless. If the key store fails, this is a problem
    /// that `ssod status` shows, and it is tried again.
    pub(crate) async fn revoke_copies(&self) {
        let _transition = self.lock_transition().await;
        if self.is_open() {
            self.revoke_copies_in_transition().await;
        }
    }

    /// Returns why copies from before the last revocation can still be put back, with the remedy.
    pub(crate) fn copies_accepted(&self) -> Option<String> {
        self.0.services.vault.revocation_problem()
    }

    /// Completes a revocation that a key store refused.
    pub(super) async fn retry_revocation(&self) {
        let _transition = self.lock_transition().await;
        let vault = self.0.services.vault.clone();
        if self.is_open() && vault.accepts_revoked_copies() {
            // The error is one of the vault's problems.
            let _ = tokio::task::spawn_blocking(move || vault.retry_revocation()).await;
        }
    }

    /// The caller holds the transition lock.
    pub(super) async fn revoke_copies_in_transition(&self) {
        let vault = self.0.services.vault.clone();
        // The error is one of the vault's problems.
        let _ = tokio::task::spawn_blocking(move || vault.revoke_copies()).await;
        self.wake();
    }

    /// Revokes the endpoint tokens of the owners that `is_revoked` chooses, and every copy of the vault's files from
    /// before.
    pub(crate) async fn revoke_tokens(
        &self,
        is_revoked: impl Fn(&TokenOwner) -> bool,
    ) -> Result<(), RevokeError> {
        // Not concurrent with a lock, after which there are no tokens to revoke.
        let _transition = self.lock_transition().await;
        let state = self.state();
        if !state.is_open() {
            return Err(RevokeError::Closed(state));
        }
        let profiles = self.0.services.broker.profile_names();
        let revoked: Vec<_> = TokenOwner::all(&profiles).filter(is_revoked).collect();
        let keeper = self.clone();
        let revoking = tokio::task::spawn_blocking(move || {
            let services = &keeper.0.services;
            services.tokens.revoke(&revoked, &profiles, services.vault.as_ref())
        });
        let revoked = revoking.await.map_err(anyhow::Error::from).and_then(|revoked| revoked);
        // A failure may have revoked some of them.
        self.revoke_copies_in_transition().await;
        self.start_writing_token_files();
        revoked.map_err(RevokeError::Failed)
    }

    fn start_writing_token_files(&self) {
        let VaultServices { tokens, broker, .. } = &self.0.services;
        tokens.start_writing_files(broker.profile_names());
    }

    /// Creates the missing endpoint tokens, and starts to write the files; the caller must hold the transition lock.
    pub(super) async fn provide_tokens_in_transition(&self) -> Result<()> {
        let keeper = self.clone();
        let providing = tokio::task::spawn_blocking(move || {
            let VaultServices { tokens, broker, vault, .. } = &keeper.0.services;
            tokens.provide(&broker.profile_names(), vault.as_ref())
        });
        providing.await??;
        self.start_writing_token_files();
        Ok(())
    }
}
