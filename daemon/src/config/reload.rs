//! Reloads `config.toml` and the AWS config file when they change on disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ssod_control::Paths;
use ssod_private_files::{Exposure, Need, exposures};

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
        let mut exposed_before = self.exposures();
        // A file may have changed after it was first read and before the watch started.
        self.aws_config.reload().await;
        self.reload_settings();
        self.apply_imds_ports().await;
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = watch.changed() => {}
            }
            let now: Vec<_> = files.iter().map(content).collect();
            // Whether the settings are used also depends on who can change them.
            let exposed = self.exposures();
            if now[0] != before[0] {
                self.aws_config.reload().await;
            }
            if now[1] != before[1] || exposed != exposed_before {
                self.reload_settings();
                self.apply_imds_ports().await;
            }
            (before, exposed_before) = (now, exposed);
        }
    }

    /// Returns what exposes the settings file to other users.
    fn exposures(&self) -> Vec<Exposure> {
        exposures(&self.paths.settings, Need::Unchanged, &self.paths.home)
    }

    fn reload_settings(&self) {
        match self.settings.reload(&self.paths.settings, &self.paths.home) {
            Ok(needs_restart) => {
                let settings = self.settings.current();
                self.imds_enabled.store(settings.imds.enabled, Ordering::Relaxed);
                self.broker.set_policy(settings.policy());
                self.keeper.wake();
                self.problems.replace(Area::Settings, Vec::new());
                let restart = needs_restart.map(|changed| Problem::new(Area::Restart, changed));
                self.problems.replace(Area::Restart, restart.into_iter().collect());
            }
            Err(error) => {
                let problem = Problem::new(Area::Settings, error.to_string()).with_remedy(format!(
                    "{} Until then, ssod keeps the settings that it has",
                    sentence(&error.remedy())
                ));
                self.problems.replace(Area::Settings, vec![problem]);
                self.problems.replace(Area::Restart, Vec::new());
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
