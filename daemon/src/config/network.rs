//! The network's settings, with what they name read from disk.

use anyhow::{Context, Result};
use ssod_identity_center::Network;

use crate::config::settings::NetworkSettings;

/// Reads the CA bundle of the settings, else of `AWS_CA_BUNDLE`.
pub(crate) fn load(settings: &NetworkSettings, variable: impl Fn(&str) -> Option<String>) -> Result<Network> {
    let named = Some(settings.ca_bundle.clone()).filter(|path| !path.is_empty());
    let path = named.or_else(|| variable("AWS_CA_BUNDLE").filter(|path| !path.is_empty()));
    let read =
        |path: String| std::fs::read(&path).with_context(|| format!("cannot read the CA bundle {path}"));
    Ok(Network { proxy: settings.proxy.clone(), ca_bundle: path.map(read).transpose()? })
}
