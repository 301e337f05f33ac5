//! Shares access tokens with the AWS CLI, if the user opted in: each session's access token is also in the AWS CLI's token file,
//! for tools that know nothing else. A sign-in or a sign-out with the AWS CLI is one of ssod's, too.

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

use self::token_file::{Content, Known, SharedToken, Step, decide, is_ours, path};
use crate::config::FileWatch;
use crate::config::live_settings::LiveSettings;
use crate::live_broker::LiveBroker;
use crate::state_file::StateFile;
use crate::vault::keeper::VaultKeeper;

/// Some programs truncate a file before they write it, so a strange file is read again, this often and after this delay.
const READ_ATTEMPTS: usize = 5;
const READ_DELAY: Duration = Duration::from_millis(100);
/// The delay after a failure.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// The limit for a token file, which has about two kilobytes.
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
                // What was shared before must not remain.
                self.broker.session_names().iter().for_each(|name| self.remove(name));
            }
            tokio::select! {
                () = &mut stop => return,
                // The settings keep the sender.
                _ = settings.changed() => {}
                () = self.share(), if is_on => {}
            }
        }
    }

    /// Checks every file whenever a token, a file or the vault may have changed.
    async fn share(&self) {
        let (mut events, mut vault) = (self.broker.events(), self.keeper.changes());
        // The folder is made first, so that no folder above it must be watched.
        let made = make_folder(&self.folder);
        let watched = made.and_then(|()| Ok(FileWatch::new(vec![self.folder.join("any.json")])?));
        let mut watch = match watched {
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
            // A failed attempt leaves changes in the folder, which must not cause the next attempt.
            let changed = async {
                if failed {
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                watch.changed().await;
            };
            tokio::select! {
                () = changed => {}
                // The keeper keeps the sender.
                _ = vault.changed() => {}
                event = events.recv() => match event {
                    Ok(Event::SignedOut(session)) => self.remove(&session),
                    Ok(Event::TokenChanged(_) | Event::Ended { .. } | Event::Configured)
                    | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    /// Makes one session's file and the session agree.
    async fn synchronise(&self, name: &SessionName) -> Result<()> {
        let Some(session) = self.broker.session(name) else { return Ok(()) };
        for _ in 0..READ_ATTEMPTS {
            // While the vault is closed, it is not known which sessions are signed in.
            if self.broker.closed().is_some() {
                return Ok(());
            }
            let file = path(&self.folder, name);
            let content = read(&file)?;
            let ours = self.broker.access_token(name);
            let ours = ours.as_ref().map(|(token, end)| (token, *end));
            let known = Known { session: &session, ours, was_shared: self.state_file.is_shared(name) };
            match decide(self.clock.now(), &known, &content) {
                Step::Rest => return Ok(()),
                Step::Forget => return self.state_file.save_shared(name, false),
                Step::Remove => {
                    self.remove(name);
                    return Ok(());
                }
                Step::Write => {
                    let Some((token, end)) = ours else { return Ok(()) };
                    // Recorded first: after a crash in between, the user signs in once too often. In the other order, a crash
                    // would undo a sign-out.
                    self.state_file.save_shared(name, true)?;
                    return write(&self.folder, &session, token, end, &content);
                }
                Step::SignOut => {
                    tracing::info!(session = %name, "the user signed out with the AWS CLI");
                    // The record goes at the next check: a crash in between must not put the file back.
                    self.broker.logout(name).await?;
                }
                Step::Adopt(tokens) => {
                    tracing::info!(session = %name, "the user signed in with the AWS CLI");
                    self.broker.begin_sign_in(name)?.complete(*tokens, None).await?;
                    self.state_file.save_shared(name, true)?;
                }
                Step::LookAgain => tokio::time::sleep(READ_DELAY).await,
            }
        }
        Ok(())
    }

    /// Removes the file that ssod wrote, but no file that another program wrote.
    fn remove(&self, session: &SessionName) {
        if !self.state_file.is_shared(session) {
            return;
        }
        let file = path(&self.folder, session);
        let remove = || {
            if is_ours(&read(&file)?) {
                std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            }
            self.state_file.save_shared(session, false)
        };
        if let Err(error) = remove() {
            tracing::warn!(%session, "{error:#}");
        }
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    ssod_private_files::create_folder(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// The AWS CLI and other tools write these files, too, so any mode and any owner is read; a symlink is not.
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
    make_folder(folder)?;
    let text = zeroize::Zeroizing::new(serde_json::to_vec(&SharedToken::of(session, token, end, before))?);
    ssod_private_files::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))
}
