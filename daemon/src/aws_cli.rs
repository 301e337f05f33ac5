//! Where the person opted in: each session's access token also lies where the AWS CLI looks for it, for tools that know
//! nothing else. A sign-in or a sign-out with the CLI counts here, too.

mod token_file;

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;
use ssod_broker::Event;
use ssod_model::{CredentialSource, Secret, SessionName, SsoSession, Timestamp};
use tokio::sync::broadcast::error::RecvError;

use self::token_file::{Content, Known, SharedToken, Step, decide, is_ours, path};
use crate::app::Shared;
use crate::file_watch::FileWatch;

/// Some programs truncate the file before they write it: it is looked at again so often, and so soon.
const LOOKS: usize = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// What failed is tried again after this.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// A token file has about two kilobytes.
const CAP: u64 = 64 * 1024;

/// Keeps the files as long as the setting says so, until the stop.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut settings = shared.settings_changes();
    let mut stopped = std::pin::pin!(shared.stopped());
    loop {
        let wanted = settings.borrow_and_update().aws_cli.share_access_token;
        if !wanted {
            // What was shared before must not stay.
            shared.broker.session_names().iter().for_each(|name| remove(&shared, name));
        }
        tokio::select! {
            () = &mut stopped => return,
            // The daemon keeps the sender.
            _ = settings.changed() => {}
            () = share(&shared), if wanted => {}
        }
    }
}

/// Looks at every file whenever a token, a file or the vault may have changed.
async fn share(shared: &Arc<Shared>) {
    let (mut events, mut vault) = (shared.broker.events(), shared.keeper.changes());
    // Watched from the start, so that nothing above it has to be.
    let made = make_folder(&shared.paths.aws_cache);
    let watched = made.and_then(|()| Ok(FileWatch::new(vec![shared.paths.aws_cache.join("any.json")])?));
    let mut watch = match watched {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!("the AWS CLI's token files are not watched: {error:#}");
            return tokio::time::sleep(TRY_AGAIN).await;
        }
    };
    loop {
        let mut failed = false;
        for name in shared.broker.session_names() {
            if let Err(error) = settle(shared, &name).await {
                tracing::warn!(session = %name, "the access token is not shared with the AWS CLI: {error:#}");
                failed = true;
            }
        }
        // What failed left its own traces in the folder: it is not tried again because of them.
        let changed = async {
            if failed {
                tokio::time::sleep(TRY_AGAIN).await;
            }
            watch.changed().await;
        };
        tokio::select! {
            () = changed => {}
            // The keeper keeps the sender.
            _ = vault.changed() => {}
            event = events.recv() => match event {
                Ok(Event::SignedOut(session)) => remove(shared, &session),
                Ok(Event::TokenChanged(_) | Event::Ended { .. } | Event::Configured) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// Does what is to be done about one session's file.
async fn settle(shared: &Arc<Shared>, name: &SessionName) -> Result<()> {
    let Some(session) = shared.broker.session(name) else { return Ok(()) };
    for _ in 0..LOOKS {
        // While the vault is not open, nobody knows who is signed in.
        if shared.broker.closed().is_some() {
            return Ok(());
        }
        let file = path(&shared.paths.aws_cache, name);
        let content = read(&file)?;
        let ours = shared.broker.access_token(name);
        let ours = ours.as_ref().map(|(token, end)| (token, *end));
        let known = Known { session: &session, ours, was_shared: shared.memory.is_shared(name) };
        match decide(shared.clock.now(), &known, &content) {
            Step::Rest => return Ok(()),
            Step::Forget => return shared.memory.keep_shared(name, false),
            Step::Remove => {
                remove(shared, name);
                return Ok(());
            }
            Step::Write => {
                let Some((token, end)) = ours else { return Ok(()) };
                // Remembered first: a crash in between is a sign-in too many, the other way round it is a sign-out undone.
                shared.memory.keep_shared(name, true)?;
                return write(&shared.paths.aws_cache, &session, token, end, &content);
            }
            Step::SignOut => {
                tracing::info!(session = %name, "somebody signed out with the AWS CLI");
                // Forgotten with the file's next look: a crash in between must not put it back.
                shared.broker.logout(name).await?;
            }
            Step::Adopt(tokens) => {
                tracing::info!(session = %name, "somebody signed in with the AWS CLI");
                shared.broker.begin_sign_in(name)?.complete(*tokens, None).await?;
                shared.memory.keep_shared(name, true)?;
            }
            Step::LookAgain => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
    Ok(())
}

/// Takes away what we put there, and nothing that somebody else did.
fn remove(shared: &Shared, session: &SessionName) {
    if !shared.memory.is_shared(session) {
        return;
    }
    let file = path(&shared.paths.aws_cache, session);
    let remove = || {
        if is_ours(&read(&file)?) {
            std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        shared.memory.keep_shared(session, false)
    };
    if let Err(error) = remove() {
        tracing::warn!(%session, "{error:#}");
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))
}

fn read(file: &Path) -> Result<Content> {
    let unreadable = || format!("cannot read {}", file.display());
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let opened = match std::fs::OpenOptions::new().read(true).custom_flags(flags).open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Missing),
        opened => opened.with_context(unreadable)?,
    };
    let mut text = zeroize::Zeroizing::new(Vec::new());
    io::Read::read_to_end(&mut io::Read::take(opened, CAP), &mut text).with_context(unreadable)?;
    Ok(Content::parse(&text))
}

fn write(
    folder: &Path,
    session: &SsoSession,
    token: &Secret,
    end: Timestamp,
    before: &Content,
) -> Result<()> {
    let file = path(folder, &session.name);
    let unwritable = || format!("cannot write {}", file.display());
    make_folder(folder)?;
    let text = zeroize::Zeroizing::new(serde_json::to_vec(&SharedToken::of(session, token, end, before))?);
    let mut target =
        AtomicWriteFile::options().preserve_mode(false).mode(0o600).open(&file).with_context(unwritable)?;
    target.write_all(&text).and_then(|()| target.commit()).with_context(unwritable)
}
