//! Loads the network settings, including the CA bundle that they name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ssod_control::resolve_user_path;
use ssod_identity_center::HttpOptions;

use crate::config::settings::NetworkSettings;

/// Reads the CA bundle that the settings name, otherwise the one in `AWS_CA_BUNDLE`; fails if it cannot be read. A relative
/// path in the settings begins at the folder of the settings file.
pub(crate) fn load(
    settings: &NetworkSettings,
    settings_file: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<HttpOptions> {
    let path = match variable("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        _ if !settings.ca_bundle.is_empty() => {
            let path = resolve_user_path(OsStr::new(&settings.ca_bundle), settings_file.parent());
            Some(path.context("[network] ca_bundle")?)
        }
        Some(path) => {
            let current = std::env::current_dir().ok();
            Some(resolve_user_path(OsStr::new(&path), current.as_deref()).context("AWS_CA_BUNDLE")?)
        }
        None => None,
    };
    let read = |path: PathBuf| {
        std::fs::read(&path).with_context(|| format!("cannot read the CA bundle {}", path.display()))
    };
    Ok(HttpOptions { proxy: settings.proxy.clone(), ca_bundle: path.map(read).transpose()? })
}
