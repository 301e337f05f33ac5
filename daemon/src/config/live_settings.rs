//! The present settings: `config.toml` may change while the daemon runs.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::settings::{Settings, SettingsError};

/// The present settings. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct LiveSettings {
    current: watch::Sender<Arc<Settings>>,
    /// The settings of the start, because some take effect only then.
    started_with: Arc<Settings>,
}

impl LiveSettings {
    /// Creates the handle with the settings of the start.
    pub(crate) fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        Self { current: watch::channel(settings.clone()).0, started_with: settings }
    }

    /// Returns the present settings.
    pub(crate) fn current(&self) -> Arc<Settings> {
        self.current.borrow().clone()
    }

    /// Returns a receiver that is notified of each change.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.current.subscribe()
    }

    /// Reads the file again, and returns which changes need a restart, if there are any. An unusable file changes
    /// nothing.
    pub(crate) async fn reload(&self, path: &Path, home: &Path) -> Result<Option<String>, SettingsError> {
        let new = Settings::load_async(path, home).await?;
        let needs_restart = self.started_with.needs_restart(&new);
        self.current.send_replace(Arc::new(new));
        Ok(needs_restart)
    }
}
