//! Shares access tokens with the AWS CLI, if the user opted in: each session's access token is also written to the AWS
//! CLI's token file, for tools that read only that file. ssod adopts a sign-in or sign-out that the user makes with the
//! AWS CLI.

mod token_file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ssod_broker::Event;
use ssod_clock::Clock;
use ssod_model::{CredentialSource, Secret, SessionName, SsoSession, Timestamp};
use ssod_private_files::{FileError, ReadPolicy};
use tokio::sync::broadcast::error::RecvError;

use self::token_file::{Content, FileStep, SharedToken, SharingFacts, decide, is_own, path};
use crate::config::FileWatch;
use crate::config::live_settings::LiveSettings;
use crate::live_broker::LiveBroker;
use crate::state_file::StateFile;
use crate::system::file_access;
use crate::vault::keeper::VaultKeeper;

/// Some programs truncate a file before they write it, so an unreadable file is read up to this often.
const READ_ATTEMPTS: usize = 5;
/// The delay between two of these reads.
const READ_DELAY: Duration = Duration::from_millis(100);
/// The delay after a failure.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// The maximum size of a token file; a normal one has about two kilobytes.
const MAX_TOKEN_FILE: u64 = 64 * 1024;

/// What the sharing of access tokens depends on.
pub(crate) struct AwsCliSharing {
    pub(crate) broker: LiveBroker,
    pub(crate) settings: LiveSettings,
    pub(crate) keeper: VaultKeeper,
    pub(crate) state_file: Arc<StateFile>,
    pub(crate) clock: Clock,
    /// `~/.aws/sso/cache`.
    pub(crate) folder: PathBuf,
}

impl AwsCliSharing {
    /// Shares the tokens while the setting is on, until the stop.
    pub(crate) async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut settings = self.settings.changes();
        let mut stop = std::pin::pin!(stop);
        loop {
            let is_on = settings.borrow_and_update().aws_cli.share_access_token;
            if !is_on {
                // Tokens that were shared before must not remain in the files.
                for name in self.broker.session_names() {
                    self.remove(&name).await;
                }
            }
            tokio::select! {
                () = &mut stop => return,
                // An error is impossible: `self.settings` keeps the sender.
                _ = settings.changed() => {}
                () = self.share(), if is_on => {}
            }
        }
    }

    /// Checks every file whenever a token, a file or the vault may have changed.
    async fn share(&self) {
        let (mut events, mut vault) = (self.broker.events(), self.keeper.changes());
        // The folder is created first, so that its parents need not be watched.
        let mut watch = match self.watch().await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::warn!("the AWS CLI's token files are not watched: {error:#}");
                return tokio::time::sleep(RETRY_DELAY).await;
            }
        };
        loop {
            let mut failed = false;
            for name in self.broker.session_names() {
                if let Err(error) = self.synchronise(&name).await {
                    tracing::warn!(session = %name, "the access token is not shared with the AWS CLI: {error:#}");
                    failed = true;
                }
            }
            // A failed attempt may itself change the folder, which must not cause the next attempt at once.
            let changed = async {
                if failed {
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                watch.changed().await;
            };
            tokio::select! {
                () = changed => {}
                // An error is impossible: the keeper keeps the sender.
                _ = vault.changed() => {}
                event = events.recv() => match event {
                    Ok(Event::SignedOut(session)) => self.remove(&session).await,
                    Ok(Event::TokenChanged(_) | Event::Ended { .. } | Event::Configured)
                    | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    async fn watch(&self) -> Result<FileWatch> {
        let folder = self.folder.clone();
        self.on_disk(move || create_folder(&folder)).await?;
        Ok(FileWatch::new(vec![self.folder.join("any.json")]).await?)
    }

    /// Accesses the folder, which may be on a file system that does not answer.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let accessed = file_access::access(&self.folder, work).await;
        accessed.with_context(|| format!("cannot access {}", self.folder.display()))?
    }

    /// Brings one session and its file into agreement.
    async fn synchronise(&self, name: &SessionName) -> Result<()> {
        let Some(session) = self.broker.session(name) else { return Ok(()) };
        for _ in 0..READ_ATTEMPTS {
            // While the vault is closed, it is not known which sessions are signed in.
            if self.broker.closed().is_some() {
                return Ok(());
            }
            let file = path(&self.folder, name);
            let content = self.on_disk(move || read(&file)).await?;
            let own_token = self.broker.access_token(name);
            let own_token = own_token.as_ref().map(|(token, end)| (token, *end));
            let was_shared = self.state_file.is_shared(name);
            let facts = SharingFacts { session: &session, own_token, was_shared };
            match decide(self.clock.now(), &facts, &content) {
                FileStep::Nothing => return Ok(()),
                FileStep::Forget => return self.state_file.save_shared(name, false),
                FileStep::Remove => {
                    self.remove(name).await;
                    return Ok(());
                }
                FileStep::Write => {
                    let Some((token, end)) = own_token else { return Ok(()) };
                    // The record is saved before the file: a crash in between only costs the user a sign-in. In the
                    // other order, a crash could undo a sign-out.
                    self.state_file.save_shared(name, true)?;
                    let (folder, session, token) = (self.folder.clone(), session.clone(), token.clone());
                    return self.on_disk(move || write(&folder, &session, &token, end, &content)).await;
                }
                FileStep::SignOut => {
                    tracing::info!(session = %name, "the user signed out with the AWS CLI");
                    // The record is removed at the next check. If it were removed first, a crash in between would write
                    // the file again.
                    self.broker.logout(name).await?;
                    self.keeper.revoke_copies().await;
                }
                FileStep::Adopt(tokens) => {
                    tracing::info!(session = %name, "the user signed in with the AWS CLI");
                    self.broker.begin_sign_in(name)?.complete(*tokens, None).await?;
                    self.state_file.save_shared(name, true)?;
                }
                FileStep::ReadAgain => tokio::time::sleep(READ_DELAY).await,
            }
        }
        Ok(())
    }

    /// Removes the session's file if ssod wrote it.
    async fn remove(&self, session: &SessionName) {
        if !self.state_file.is_shared(session) {
            return;
        }
        let file = path(&self.folder, session);
        let remove = move || {
            if is_own(&read(&file)?) {
                std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            }
            Ok(())
        };
        let removed = self.on_disk(remove).await.and_then(|()| self.state_file.save_shared(session, false));
        if let Err(error) = removed {
            tracing::warn!(%session, "{error:#}");
        }
    }
}

fn create_folder(folder: &Path) -> Result<()> {
    ssod_private_files::create_folder(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Reads a token file. The AWS CLI and other tools write these files, too, so any mode and any owner is accepted; a
/// symlink is not.
fn read(file: &Path) -> Result<Content> {
    let policy = ReadPolicy::private().allow_others(0o077).any_owner().max_bytes(MAX_TOKEN_FILE);
    match ssod_private_files::read(file, &policy) {
        Ok(text) => Ok(Content::parse(&zeroize::Zeroizing::new(text))),
        Err(FileError::NotFound) => Ok(Content::Missing),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn write(
    folder: &Path,
    session: &SsoSession,
    token: &Secret,
    end: Timestamp,
    before: &Content,
) -> Result<()> {
    let file = path(folder, &session.name);
    create_folder(folder)?;
    let text = zeroize::Zeroizing::new(serde_json::to_vec(&SharedToken::of(session, token, end, before))?);
    ssod_private_files::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))
}
