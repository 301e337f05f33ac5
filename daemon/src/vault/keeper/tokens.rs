//! Creates and revokes the endpoint's tokens, never during a transition of the vault.

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

    /// Makes sure that the file with that owner's token is there.
    pub(crate) async fn provide_token_file(&self, owner: &TokenOwner) -> Result<()> {
        let (tokens, owner) = (self.0.services.tokens.clone(), owner.clone());
        if tokens.has_file(&owner) {
            return Ok(());
        }
        let _transition = self.lock_transition().await;
        tokio::task::spawn_blocking(move || tokens.provide_file(&owner)).await?
    }

    /// Revokes the endpoint tokens of the owners that `is_revoked` chooses.
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
        revoking.await.map_err(anyhow::Error::from).and_then(|revoked| revoked).map_err(RevokeError::Failed)
    }

    /// Creates the missing endpoint tokens; the caller must hold the transition lock.
    pub(super) async fn provide_tokens_in_transition(&self) -> Result<()> {
        let keeper = self.clone();
        tokio::task::spawn_blocking(move || {
            let VaultServices { tokens, broker, vault, .. } = &keeper.0.services;
            tokens.provide(&broker.profile_names(), vault.as_ref())
        })
        .await?
    }
}
