//! Reloads `config.toml` and the AWS config file when they change on disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ssod_control::Paths;
use ssod_private_files::{Exposure, Need, ReadPolicy, exposures};

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

/// The delay before files are read again whose file system did not answer.
const RETRY_STALLED: Duration = Duration::from_secs(10);

/// The content of the files at one time, to recognize a change. An error is content, too: a file that could not be read
/// may be readable now.
struct Contents {
    aws_config: Result<Vec<u8>, String>,
    /// With what exposes the file to other users, because whether it is used also depends on who can change it.
    settings: Result<(Vec<u8>, Vec<Exposure>), String>,
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
        let mut before = self.contents().await;
        // A file may have changed after it was first read and before the watch started.
        let mut answer = self.reload(true, true).await;
        loop {
            let retry = async {
                match answer {
                    FileAnswer::Stalled => tokio::time::sleep(RETRY_STALLED).await,
                    FileAnswer::Answered => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.begun() => return,
                () = watch.changed() => {}
                () = retry => watch.watch_folders().await,
            }
            let now = self.contents().await;
            let is_retry = answer == FileAnswer::Stalled;
            let aws_config_changed = now.aws_config != before.aws_config;
            let settings_changed = now.settings != before.settings;
            answer = self.reload(is_retry || aws_config_changed, is_retry || settings_changed).await;
            before = now;
        }
    }

    async fn contents(&self) -> Contents {
        let Paths { aws_config, settings, home, .. } = &*self.paths;
        Contents { aws_config: read(aws_config).await, settings: read_with_exposures(settings, home).await }
    }

    /// Reloads the files that have changed.
    async fn reload(&self, aws_config_changed: bool, settings_changed: bool) -> FileAnswer {
        let mut answers = Vec::new();
        if aws_config_changed {
            answers.push(self.aws_config.reload().await);
        }
        if settings_changed {
            answers.push(self.reload_settings().await);
            self.apply_imds_ports().await;
        }
        if answers.contains(&FileAnswer::Stalled) { FileAnswer::Stalled } else { FileAnswer::Answered }
    }

    async fn reload_settings(&self) -> FileAnswer {
        match self.settings.reload(&self.paths.settings, &self.paths.home).await {
            Ok(needs_restart) => {
                let settings = self.settings.current();
                self.imds_enabled.store(settings.imds.enabled, Ordering::Relaxed);
                self.broker.set_policy(settings.policy());
                self.keeper.wake();
                self.problems.replace(Area::Settings, Vec::new());
                let restart = needs_restart.map(|changed| Problem::new(Area::Restart, changed));
                self.problems.replace(Area::Restart, restart.into_iter().collect());
                FileAnswer::Answered
            }
            Err(error) => {
                let problem = Problem::new(Area::Settings, error.to_string()).with_remedy(format!(
                    "{} Until then, ssod keeps the settings that it has",
                    sentence(&error.remedy())
                ));
                self.problems.replace(Area::Settings, vec![problem]);
                self.problems.replace(Area::Restart, Vec::new());
                if error.is_stalled() { FileAnswer::Stalled } else { FileAnswer::Answered }
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

async fn read(file: &Path) -> Result<Vec<u8>, String> {
    let path = file.to_owned();
    let read = move || ssod_private_files::read(&path, &ReadPolicy::user_file());
    let content = file_access::access(file, read).await.map_err(|error| error.to_string())?;
    content.map_err(|error| error.to_string())
}

async fn read_with_exposures(file: &Path, home: &Path) -> Result<(Vec<u8>, Vec<Exposure>), String> {
    let content = read(file).await?;
    let (path, home) = (file.to_owned(), home.to_owned());
    let exposed = move || exposures(&path, Need::Unchanged, &home);
    Ok((content, file_access::access(file, exposed).await.map_err(|error| error.to_string())?))
}
