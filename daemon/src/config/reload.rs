//! Reloads `config.toml` and the AWS config file when they change on disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ssod_control::Paths;

use super::FileWatch;
use super::aws_config::LiveAwsConfig;
use super::live_settings::LiveSettings;
use super::problem::{Area, Problem, Problems};
use super::settings::SettingsError;
use crate::listen::imds_ports::ImdsPorts;
use crate::live_broker::LiveBroker;
use crate::sentence::sentence;
use crate::shutdown::Shutdown;
use crate::vault::keeper::VaultKeeper;

/// How often settings that other users can change are checked again.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);

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

impl ConfigReloader {
    /// Reloads changed files until the stop. It compares contents, because one change can cause many events.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let files = vec![self.paths.aws_config.clone(), self.paths.settings.clone()];
        let mut watch = match FileWatch::new(files.clone()) {
            Ok(watch) => watch,
            Err(error) => {
                tracing::warn!(%error, "cannot watch the configuration files; after a change, restart the daemon");
                self.apply_imds_ports().await;
                return;
            }
        };
        let content = |file: &PathBuf| std::fs::read(file).ok();
        let mut before: Vec<_> = files.iter().map(content).collect();
        // A file may have changed after it was first read and before the watch started.
        self.aws_config.reload().await;
        let mut is_exposed = self.reload_settings();
        self.apply_imds_ports().await;
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = watch.changed() => {}
                // No event reports that a folder far above the file is the user's own again.
                () = tokio::time::sleep(RECHECK_INTERVAL), if is_exposed => {}
            }
            let now: Vec<_> = files.iter().map(content).collect();
            if now[0] != before[0] {
                self.aws_config.reload().await;
            }
            if now[1] != before[1] || is_exposed {
                is_exposed = self.reload_settings();
                self.apply_imds_ports().await;
            }
            before = now;
        }
    }

    /// Reads the settings. Returns whether other users can change them, so that they are not used.
    fn reload_settings(&self) -> bool {
        match self.settings.reload(&self.paths.settings, &self.paths.home) {
            Ok(needs_restart) => {
                let settings = self.settings.current();
                self.imds_enabled.store(settings.imds.enabled, Ordering::Relaxed);
                self.broker.set_policy(settings.policy());
                self.keeper.wake();
                self.problems.replace(Area::Settings, Vec::new());
                let restart = needs_restart.map(|changed| Problem::new(Area::Restart, changed));
                self.problems.replace(Area::Restart, restart.into_iter().collect());
                false
            }
            Err(error) => {
                let problem = Problem::new(Area::Settings, error.to_string()).with_remedy(format!(
                    "{} Until then, ssod keeps the settings that it has",
                    sentence(&error.remedy())
                ));
                self.problems.replace(Area::Settings, vec![problem]);
                self.problems.replace(Area::Restart, Vec::new());
                matches!(error, SettingsError::Exposed { .. })
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
