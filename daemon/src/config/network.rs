//! Loads the network settings, including the CA bundle that they name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ssod_control::resolve_user_path;
use ssod_identity_center::HttpOptions;
use ssod_private_files::ReadPolicy;

use crate::config::settings::NetworkSettings;
use crate::system::file_access;

/// Reads the CA bundle that [`ca_bundle`] finds; fails if it cannot be read.
pub(crate) async fn load(
    settings: &NetworkSettings,
    settings_file: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<HttpOptions> {
    let path = ca_bundle(settings, settings_file, variable)?;
    let ca_bundle = match path {
        Some(path) => {
            Some(read(&path).await.with_context(|| format!("cannot read the CA bundle {}", path.display()))?)
        }
        None => None,
    };
    Ok(HttpOptions { proxy: settings.proxy.clone(), ca_bundle })
}

async fn read(path: &Path) -> Result<Vec<u8>> {
    let file = path.to_owned();
    let read = move || ssod_private_files::read(&file, &ReadPolicy::user_file());
    Ok(file_access::access(path, read).await??)
}

/// Returns the path of the CA bundle that the settings name, otherwise of the one in `AWS_CA_BUNDLE`. A relative path
/// in the settings begins at the folder of the settings file.
pub(crate) fn ca_bundle(
    settings: &NetworkSettings,
    settings_file: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<PathBuf>> {
    match variable("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        _ if !settings.ca_bundle.is_empty() => {
            let path = resolve_user_path(OsStr::new(&settings.ca_bundle), settings_file.parent());
            Ok(Some(path.context("[network] ca_bundle")?))
        }
        Some(path) => {
            let current = std::env::current_dir().ok();
            Ok(Some(resolve_user_path(OsStr::new(&path), current.as_deref()).context("AWS_CA_BUNDLE")?))
        }
        None => Ok(None),
    }
}

/// The proxy for calls to AWS.
pub(crate) struct Proxy {
    /// Its URL, which may have a password.
    pub(crate) url: String,
    /// The setting or the variable.
    pub(crate) source: &'static str,
}

/// The variables that name a proxy for HTTPS, in the order in which they count.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Returns the proxy that the settings name, otherwise the environment's.
pub(crate) fn proxy(settings: &NetworkSettings, variable: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
    if !settings.proxy.is_empty() {
        return Some(Proxy { url: settings.proxy.clone(), source: "[network] proxy in config.toml" });
    }
    PROXY_VARIABLES
        .into_iter()
        .find_map(|source| variable(source).filter(|url| !url.is_empty()).map(|url| Proxy { url, source }))
}
