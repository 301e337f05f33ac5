//! Reloads `config.toml` and the AWS config file when they change on disk.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ssod_control::Paths;
use ssod_private_files::ReadPolicy;

use super::FileWatch;
use super::aws_config::LiveAwsConfig;
use super::live_settings::LiveSettings;
use super::problem::{Area, Problem, Problems};
use super::settings::SettingsError;
use crate::listen::imds_ports::ImdsPorts;
use crate::live_broker::LiveBroker;
use crate::sentence::sentence;
use crate::shutdown::Shutdown;
use crate::system::file_access::{self, FileAnswer};
use crate::vault::keeper::VaultKeeper;

/// Reloads changed configuration files. The fields are what a change affects.
pub(crate) struct ConfigReloader {
    pub(crate) paths: Arc<Paths>,
    pub(crate) aws_config: LiveAwsConfig,
    pub(crate) settings: LiveSettings,
    pub(crate) imds_enabled: Arc<AtomicBool>,
    pub(crate) imds_ports: ImdsPorts,
    /// The endpoint's port, which no profile can have as its IMDS port.
    pub(crate) endpoint_port: u16,
    pub(crate) broker: LiveBroker,
    pub(crate) keeper: VaultKeeper,
    pub(crate) problems: Problems,
}

/// The delay before a file is read again whose file system did not answer.
const RETRY_STALLED: Duration = Duration::from_secs(10);
/// How often settings that other users can change are checked again: no event reports that a folder far above the file
/// is the user's own again.
const RECHECK_EXPOSED: Duration = Duration::from_secs(1);

/// The content of the files at one time, to recognize a change. An error is content, too: a file that could not be read
/// may be readable now.
#[derive(PartialEq, Eq)]
struct Contents {
    aws_config: Result<ContentHash, String>,
    settings: Result<ContentHash, String>,
}

/// A hash with a random key. The files themselves stay out of memory: that of ten thousand profiles has 1.5 MB.
type ContentHash = u64;

/// After which time each file is read again even if no change of it is reported.
#[derive(Clone, Copy, Default)]
struct Retries {
    aws_config: Option<Duration>,
    settings: Option<Duration>,
}

impl ConfigReloader {
    /// Reloads changed files until the stop. It compares contents, because one change can cause many events.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let files = [self.paths.aws_config.clone(), self.paths.settings.clone()];
        let mut watch = match FileWatch::new(files.to_vec()).await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::warn!(%error, "cannot watch the configuration files; after a change, restart the daemon");
                self.apply_imds_ports().await;
                return;
            }
        };
        let hasher = RandomState::new();
        let mut before = self.contents(&hasher).await;
        // A file may have changed after it was first read and before the watch started.
        let mut retries =
            Retries { aws_config: self.reload_aws_config().await, settings: self.reload_settings().await };
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = watch.changed() => {}
                () = retries.wait() => watch.watch_folders().await,
            }
            let now = self.contents(&hasher).await;
            if retries.aws_config.is_some() || now.aws_config != before.aws_config {
                retries.aws_config = self.reload_aws_config().await;
            }
            if retries.settings.is_some() || now.settings != before.settings {
                retries.settings = self.reload_settings().await;
            }
            before = now;
        }
    }

    async fn contents(&self, hasher: &RandomState) -> Contents {
        Contents {
            aws_config: read(&self.paths.aws_config, hasher).await,
            settings: read(&self.paths.settings, hasher).await,
        }
    }

    /// Reads the AWS config file. Returns when it must be read again.
    async fn reload_aws_config(&self) -> Option<Duration> {
        (self.aws_config.reload().await == FileAnswer::Stalled).then_some(RETRY_STALLED)
    }

    /// Reads the settings. Returns when they must be read again.
    async fn reload_settings(&self) -> Option<Duration> {
        let retry = self.read_settings().await;
        self.apply_imds_ports().await;
        retry
    }

    async fn read_settings(&self) -> Option<Duration> {
        match self.settings.reload(&self.paths.settings, &self.paths.home).await {
            Ok(needs_restart) => {
                let settings = self.settings.current();
                self.imds_enabled.store(settings.imds.enabled, Ordering::Relaxed);
                self.broker.set_policy(settings.policy());
                self.keeper.wake();
                self.problems.replace(Area::Settings, Vec::new());
                let restart = needs_restart.map(|changed| Problem::new(Area::Restart, changed));
                self.problems.replace(Area::Restart, restart.into_iter().collect());
                None
            }
            Err(error) => {
                let problem = Problem::new(Area::Settings, error.to_string()).with_remedy(format!(
                    "{} Until then, ssod keeps the settings that it has",
                    sentence(&error.remedy())
                ));
                self.problems.replace(Area::Settings, vec![problem]);
                self.problems.replace(Area::Restart, Vec::new());
                match error {
                    SettingsError::Exposed { .. } => Some(RECHECK_EXPOSED),
                    error => error.is_stalled().then_some(RETRY_STALLED),
                }
            }
        }
    }

    async fn apply_imds_ports(&self) {
        let settings = self.settings.current();
        let mut profiles = settings.imds.profiles.clone();
        // The port can be one that the settings do not name: the one that ssod has remembered.
        let conflict = settings.port_conflict(Some(self.endpoint_port)).map(|mistake| {
            profiles.retain(|_, port| *port != self.endpoint_port);
            let error = SettingsError::Invalid { path: self.paths.settings.clone(), mistake };
            Problem::new(Area::Imds, error.to_string()).with_remedy(error.remedy())
        });
        let problems = self.imds_ports.apply(&profiles).await;
        self.problems.replace(Area::Imds, conflict.into_iter().chain(problems).collect());
    }
}

impl Retries {
    /// Waits until the first retry is due; for ever if there is none.
    async fn wait(self) {
        match self.aws_config.into_iter().chain(self.settings).min() {
            Some(delay) => tokio::time::sleep(delay).await,
            None => std::future::pending().await,
        }
    }
}

async fn read(file: &Path, hasher: &RandomState) -> Result<ContentHash, String> {
    let (path, hasher) = (file.to_owned(), hasher.clone());
    let read =
        move || ssod_private_files::read(&path, &ReadPolicy::user_file()).map(|text| hasher.hash_one(text));
    let content = file_access::access(file, read).await.map_err(|error| error.to_string())?;
    content.map_err(|error| error.to_string())
}
