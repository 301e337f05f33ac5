//! The endpoint's tokens: they are stored in the vault, and as files in the runtime folder for SDKs that read files.
//! Only the tokens that a shell has asked for are in files.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use ssod_clock::Clock;
use ssod_control::Paths;
use ssod_endpoint::{TokenOwner, Tokens};
use ssod_model::{ProfileName, SecretStore, Timestamp};
use ssod_private_files::ReadPolicy;
use zeroize::Zeroizing;

use crate::state_file::StateFile;
use crate::system::folders;

/// The limit for a token file, which has 43 bytes.
const MAX_TOKEN_FILE_BYTES: u64 = 256;

/// The endpoint's tokens in force, and their files. Clones share one state.
#[derive(Clone)]
pub(crate) struct LiveEndpointTokens {
    tokens: Arc<Tokens>,
    state_file: Arc<StateFile>,
    paths: Arc<Paths>,
    clock: Clock,
    /// Held while one file is compared and written, and while tokens are revoked, so that a token never gets into a
    /// file that revoked shells still read.
    files: Arc<Mutex<()>>,
    writer: Arc<Mutex<Writer>>,
}

/// The task that writes all files.
#[derive(Default)]
struct Writer {
    is_running: bool,
    /// The profiles whose files it must write next, because a token may have changed since it began.
    next: Option<Vec<ProfileName>>,
}

impl LiveEndpointTokens {
    /// Creates the handle without tokens, because the vault is not open yet.
    pub(crate) fn new(state_file: Arc<StateFile>, paths: Arc<Paths>, clock: Clock) -> Self {
        let (files, writer) = (Arc::default(), Arc::default());
        Self { tokens: Arc::default(), state_file, paths, clock, files, writer }
    }

    /// Returns the tokens in force.
    pub(crate) fn in_force(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// Returns the file of that owner's present token.
    pub(crate) fn file(&self, owner: &TokenOwner) -> PathBuf {
        self.paths.token(owner.profile().map(ProfileName::as_str), self.state_file.generation(owner))
    }

    /// Creates the missing tokens and saves them in the vault. Blocks on the disk.
    pub(crate) fn provide(&self, profiles: &[ProfileName], vault: &impl SecretStore) -> Result<()> {
        if self.tokens.ensure(profiles, self.clock.now())? {
            tracing::debug!("endpoint tokens were created");
        }
        Ok(self.tokens.save(|all| vault.save_endpoint_tokens(all))?)
    }

    /// Returns when the tokens must be renewed; `None` if there are none.
    pub(crate) fn renewal_at(&self) -> Option<Timestamp> {
        self.tokens.renewal_at(self.clock.now())
    }

    /// Renews the tokens if that is due, and returns whether it was. They are saved before they are in force, so that a
    /// shell never gets a token that a crash would lose. Blocks on the disk.
    pub(crate) fn renew_if_due(&self, vault: &impl SecretStore) -> Result<bool> {
        let Some(renewed) = self.tokens.renewed(self.clock.now())? else { return Ok(false) };
        vault.save_endpoint_tokens(&renewed)?;
        self.tokens.replace(renewed);
        tracing::debug!("the endpoint's tokens were renewed");
        Ok(true)
    }

    /// Writes the files that shells have asked for and that are missing or have another token, on a thread of its own:
    /// writing a file takes some milliseconds, and an organisation may have ten thousand profiles.
    pub(crate) fn start_writing_files(&self, profiles: Vec<ProfileName>) {
        {
            let mut writer = self.writer();
            writer.next = Some(profiles);
            if std::mem::replace(&mut writer.is_running, true) {
                return;
            }
        }
        let tokens = self.clone();
        tokio::task::spawn_blocking(move || {
            while let Some(profiles) = tokens.next_to_write() {
                if let Err(error) = tokens.write_files(&profiles) {
                    tracing::warn!("the files with the endpoint's tokens are not up to date: {error:#}");
                }
            }
        });
    }

    /// Returns the profiles whose files must be written now; without any, the writer ends.
    fn next_to_write(&self) -> Option<Vec<ProfileName>> {
        let mut writer = self.writer();
        writer.is_running = writer.next.is_some();
        writer.next.take()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_files(&self, profiles: &[ProfileName]) -> Result<()> {
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

    /// Returns whether that owner's file has the present token and stays up to date. Blocks on the disk.
    pub(crate) fn has_file(&self, owner: &TokenOwner) -> bool {
        self.state_file.has_token_file(owner)
            && self.tokens.of(owner).is_some_and(|token| {
                read(&self.file(owner)).is_some_and(|present| *present == token.expose().as_bytes())
            })
    }

    /// Writes that owner's file, from now on also at every start and renewal. Blocks on the disk; the caller must hold
    /// the vault's transition lock, so that a revocation does not happen in between.
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

    /// Revokes the present and the previous tokens of these owners, and puts new ones in force. Blocks on the disk; the
    /// caller must hold the vault's transition lock.
    pub(crate) fn revoke(
        &self,
        revoked: &[TokenOwner],
        profiles: &[ProfileName],
        vault: &impl SecretStore,
    ) -> Result<()> {
        {
            let _files = self.lock_files();
            let old: Vec<_> = revoked.iter().map(|owner| self.file(owner)).collect();
            self.state_file.save_revoked(revoked)?;
            for file in old {
                // The old token is about to become invalid, so it is harmless if its file cannot be removed.
                let _ = std::fs::remove_file(file);
            }
            let revoked: HashSet<Option<&ProfileName>> = revoked.iter().map(TokenOwner::profile).collect();
            self.tokens.revoke(|owner| revoked.contains(&owner.profile()))?;
        }
        self.provide(profiles, vault)
    }

    /// Writes the owner's token to its file if it has another content, without a newline at the end: most SDKs would
    /// take a newline as part of the token, or refuse it.
    fn write(&self, owner: &TokenOwner) -> Result<()> {
        let _files = self.lock_files();
        let Some(token) = self.tokens.of(owner) else { return Ok(()) };
        let (path, token) = (self.file(owner), token.expose().as_bytes());
        if read(&path).is_some_and(|present| *present == token) {
            return Ok(());
        }
        ssod_private_files::write(&path, token).with_context(|| format!("cannot write {}", path.display()))
    }

    fn lock_files(&self) -> MutexGuard<'_, ()> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a token file. One that other users can read, or that is not a regular file, is replaced.
fn read(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let policy = ReadPolicy::private().max_bytes(MAX_TOKEN_FILE_BYTES);
    ssod_private_files::read(path, &policy).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::{Duration, Instant};

    use ssod_clock::{Sleep, TimeSource};
    use ssod_endpoint::RENEWAL_INTERVAL;
    use ssod_vault::{KeyStore, KeyStoreChoice, Vault, find_or_create_key};

    use super::*;

    #[derive(Clone)]
    struct TestClock(Arc<AtomicI64>);

    impl TimeSource for TestClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
        }

        fn sleep_until(&self, _deadline: Timestamp) -> Sleep<'_> {
            Box::pin(std::future::pending())
        }
    }

    struct Setup {
        _home: tempfile::TempDir,
        clock: TestClock,
        tokens: LiveEndpointTokens,
        vault: Vault,
        profiles: Vec<ProfileName>,
    }

    impl Setup {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let path = |name: &str| home.path().join(name);
            let paths = Arc::new(Paths {
                home: path("home"),
                settings: path("config.toml"),
                state: path("state"),
                runtime: path("runtime"),
                socket: path("socket"),
                aws_config: path("config"),
                aws_credentials: path("credentials"),
                aws_cache: path("cache"),
            });
            let vault = Vault::new(&paths.vault()).unwrap();
            let key = find_or_create_key(&paths.vault(), KeyStoreChoice::Only(KeyStore::File)).unwrap();
            vault.unlock(key);
            let state_file = Arc::new(StateFile::load(&paths.memory()).unwrap());
            let clock = TestClock(Arc::new(AtomicI64::new(1_800_000_000)));
            let tokens = LiveEndpointTokens::new(state_file, paths, clock.clone().into());
            let profiles: Vec<_> = ["a", "b"].map(|name| ProfileName::parse(name).unwrap()).into();
            tokens.provide(&profiles, &vault).unwrap();
            Self { _home: home, clock, tokens, vault, profiles }
        }

        fn owner(&self, index: usize) -> TokenOwner {
            TokenOwner::Profile(self.profiles[index].clone())
        }

        fn file_has_present_token(&self, index: usize) -> bool {
            let owner = self.owner(index);
            let token = self.tokens.in_force().of(&owner).unwrap();
            std::fs::read(self.tokens.file(&owner)).is_ok_and(|text| text == token.expose().as_bytes())
        }
    }

    fn wait_until(condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[tokio::test]
    async fn a_renewal_rewrites_the_files_that_shells_read_and_no_others() {
        let setup = Setup::new();
        setup.tokens.provide_file(&setup.owner(0)).unwrap();
        assert!(setup.file_has_present_token(0) && !setup.tokens.renew_if_due(&setup.vault).unwrap());
        setup.clock.0.fetch_add(RENEWAL_INTERVAL.as_secs().cast_signed(), Ordering::SeqCst);
        assert!(setup.tokens.renew_if_due(&setup.vault).unwrap());
        assert!(!setup.tokens.has_file(&setup.owner(0)), "it has the previous token");
        setup.tokens.start_writing_files(setup.profiles.clone());
        wait_until(|| setup.file_has_present_token(0));
        assert!(!setup.tokens.file(&setup.owner(1)).exists(), "no shell has asked for it");
        let saved = setup.vault.load_endpoint_tokens().unwrap();
        assert_eq!(
            saved.current.profiles[&setup.profiles[0]],
            setup.tokens.in_force().of(&setup.owner(0)).unwrap()
        );
        assert!(saved.previous.is_some(), "a restart keeps open shells working");
    }

    #[tokio::test]
    async fn a_file_that_is_up_to_date_is_not_written_again() {
        let setup = Setup::new();
        for index in 0..2 {
            setup.tokens.provide_file(&setup.owner(index)).unwrap();
        }
        let inode =
            |index| std::fs::metadata(setup.tokens.file(&setup.owner(index))).map(|file| file.ino()).ok();
        let before = inode(0);
        std::fs::remove_file(setup.tokens.file(&setup.owner(1))).unwrap();
        setup.tokens.start_writing_files(setup.profiles.clone());
        wait_until(|| setup.file_has_present_token(1));
        assert_eq!(inode(0), before);
    }

    #[tokio::test]
    async fn a_new_token_never_gets_into_the_file_of_a_revoked_one() {
        let setup = Setup::new();
        setup.tokens.provide_file(&setup.owner(0)).unwrap();
        for _ in 0..20 {
            let old = setup.tokens.file(&setup.owner(0));
            setup.tokens.start_writing_files(setup.profiles.clone());
            setup.tokens.revoke(&[setup.owner(0)], &setup.profiles, &setup.vault).unwrap();
            setup.tokens.start_writing_files(setup.profiles.clone());
            wait_until(|| setup.file_has_present_token(0) && !setup.tokens.writer().is_running);
            assert!(!old.exists(), "a shell that was revoked would have the new token");
        }
    }
}
