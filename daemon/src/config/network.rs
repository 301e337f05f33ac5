//! Loads the network settings, including the CA bundle that they name.

use anyhow::{Context, Result};
use ssod_identity_center::HttpOptions;

use crate::config::settings::NetworkSettings;

/// Reads the CA bundle that the settings name, otherwise the one in `AWS_CA_BUNDLE`; fails if it cannot be read.
pub(crate) fn load(
    settings: &NetworkSettings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<HttpOptions> {
    let named = Some(settings.ca_bundle.clone()).filter(|path| !path.is_empty());
    let path = named.or_else(|| variable("AWS_CA_BUNDLE").filter(|path| !path.is_empty()));
    let read =
        |path: String| std::fs::read(&path).with_context(|| format!("cannot read the CA bundle {path}"));
    Ok(HttpOptions { proxy: settings.proxy.clone(), ca_bundle: path.map(read).transpose()? })
}
