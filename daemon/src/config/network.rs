//! Loads the network settings, including the CA bundle that they name, and decides which listeners on this machine may
//! get secrets.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ssod_control::{
    CA_BUNDLE_VARIABLE, NO_PROXY_VARIABLES, NetworkValue, PROXY_VARIABLES, first_set, resolve_user_path,
};
use ssod_identity_center::{HttpOptions, LoopbackCheck, LoopbackConnection, ProxyOptions};
use ssod_model::{IdentityError, public_url};
use ssod_private_files::ReadPolicy;

use crate::config::live_settings::LiveSettings;
use crate::config::settings::NetworkSettings;
use crate::system::file_access;

/// How the daemon calls AWS: what the settings say, and otherwise the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// The proxy.
    pub(crate) proxy: Option<Proxy>,
    /// The file of certificates that are trusted besides the system's.
    pub(crate) ca_bundle: Option<CaBundle>,
}

/// The proxy for calls to AWS.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    options: ProxyOptions,
    /// The variable that names it; `None` if the settings do.
    variable: Option<&'static str>,
}

/// A file of certificates.
#[derive(Clone, Debug)]
pub(crate) struct CaBundle {
    pub(crate) path: PathBuf,
    /// The variable that names it; `None` if the settings do.
    variable: Option<&'static str>,
}

impl Network {
    /// Finds the proxy and the CA bundle. A relative path in the settings begins at the folder of the settings file.
    pub(crate) fn find(
        settings: &NetworkSettings,
        settings_file: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        Ok(Self {
            proxy: proxy(settings, &variable),
            ca_bundle: ca_bundle(settings, settings_file, &variable)?,
        })
    }

    /// Returns the options for the calls; fails if the CA bundle cannot be read.
    pub(crate) async fn options(&self, loopback: LoopbackCheck) -> Result<HttpOptions> {
        let ca_bundle = match &self.ca_bundle {
            Some(CaBundle { path, .. }) => Some(
                read(path).await.with_context(|| format!("cannot read the CA bundle {}", path.display()))?,
            ),
            None => None,
        };
        let proxy = self.proxy.as_ref().map(|proxy| proxy.options.clone());
        Ok(HttpOptions { proxy, ca_bundle, loopback })
    }

    /// Returns the proxy without its password, and what sets it.
    pub(crate) fn shown_proxy(&self) -> Option<NetworkValue> {
        let Proxy { options, variable } = self.proxy.as_ref()?;
        Some(NetworkValue { value: public_url(&options.url), variable: variable.map(str::to_owned) })
    }

    /// Returns the path of the CA bundle, and what sets it.
    pub(crate) fn shown_ca_bundle(&self) -> Option<NetworkValue> {
        let CaBundle { path, variable } = self.ca_bundle.as_ref()?;
        Some(NetworkValue { value: path.display().to_string(), variable: variable.map(str::to_owned) })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>> {
    let file = path.to_owned();
    let read = move || ssod_private_files::read(&file, &ReadPolicy::user_file());
    Ok(file_access::access(path, read).await??)
}

/// Returns the proxy that the settings name, otherwise the environment's, with its exceptions.
fn proxy(settings: &NetworkSettings, variable: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
    if !settings.proxy.is_empty() {
        let options = ProxyOptions { url: settings.proxy.clone(), except: String::new() };
        return Some(Proxy { options, variable: None });
    }
    let (name, url) = first_set(&PROXY_VARIABLES, &variable)?;
    if url.split_once("://").is_some_and(|(scheme, _)| !["http", "https"].contains(&scheme)) {
        tracing::warn!("{name} is not used: ssod supports proxies with http and https only");
        return None;
    }
    let except = first_set(&NO_PROXY_VARIABLES, &variable).map(|(_, list)| list).unwrap_or_default();
    Some(Proxy { options: ProxyOptions { url, except }, variable: Some(name) })
}

/// Returns the CA bundle that the settings name, otherwise the one in `AWS_CA_BUNDLE`.
fn ca_bundle(
    settings: &NetworkSettings,
    settings_file: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<CaBundle>> {
    match first_set(&[CA_BUNDLE_VARIABLE], variable) {
        _ if !settings.ca_bundle.is_empty() => {
            let path = resolve_user_path(OsStr::new(&settings.ca_bundle), settings_file.parent());
            Ok(Some(CaBundle { path: path.context("[network] ca_bundle")?, variable: None }))
        }
        Some((name, path)) => {
            let current = std::env::current_dir().ok();
            let path = resolve_user_path(OsStr::new(&path), current.as_deref()).context(name)?;
            Ok(Some(CaBundle { path, variable: Some(name) }))
        }
        None => Ok(None),
    }
}

/// Returns the check of each connection to a listener on this machine.
pub(crate) fn loopback_check(settings: LiveSettings) -> LoopbackCheck {
    LoopbackCheck::new(move |connection| {
        let LoopbackConnection { client, server } = connection;
        if settings.current().network.trusted_endpoints.contains(&server) {
            return Ok(());
        }
        let holder = ssod_peer::tcp_server_user(client, server);
        judge(server, holder.ok().flatten(), ssod_peer::own_uid())
    })
}

/// Decides by the user who listens; the error says how to trust the listener anyway.
fn judge(server: SocketAddr, holder: Option<u32>, own: u32) -> Result<(), IdentityError> {
    let holder = match holder {
        Some(holder) if holder == own => return Ok(()),
        Some(holder) => {
            let name = ssod_peer::user_name(holder).map(|name| format!(" ({name})")).unwrap_or_default();
            format!("user {holder}{name} listens there, not you")
        }
        None => "the user who listens there cannot be determined".to_owned(),
    };
    Err(IdentityError::UntrustedEndpoint {
        reason: format!("no secret was sent to {server}, because {holder}"),
        remedy: format!(
            "To trust that program, such as LocalStack in a container, set trusted_endpoints = [\"{server}\"] under \
             [network] in config.toml"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(variables: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn only_a_listener_of_this_user_is_trusted_without_a_setting() {
        let server = "127.0.0.1:4566".parse().unwrap();
        assert_eq!(judge(server, Some(1_000), 1_000), Ok(()));
        for (holder, own) in [(Some(0), 1_000), (Some(1_001), 1_000), (Some(65_534), 0), (None, 1_000)] {
            let Err(IdentityError::UntrustedEndpoint { reason, remedy }) = judge(server, holder, own) else {
                panic!("{holder:?} is trusted by {own}");
            };
            assert!(reason.starts_with("no secret was sent to 127.0.0.1:4566, because "), "{reason}");
            assert!(remedy.contains("trusted_endpoints = [\"127.0.0.1:4566\"]"), "{remedy}");
        }
    }

    /// A shell in which several variables name a proxy.
    const SHELL: &[(&str, &str)] = &[
        ("https_proxy", "http://me:secret@proxy:3128"),
        ("ALL_PROXY", "http://other"),
        ("no_proxy", "intranet"),
        ("HTTP_PROXY", "http://never"),
    ];

    #[test]
    fn the_proxy_is_the_settings_or_else_the_environments_and_its_password_is_not_shown() {
        let found = |setting: &str, variables| {
            let settings = NetworkSettings { proxy: setting.to_owned(), ..NetworkSettings::default() };
            let network = Network::find(&settings, Path::new("/config.toml"), shell(variables)).unwrap();
            let except = network.proxy.as_ref().map(|proxy| proxy.options.except.clone());
            (network.shown_proxy().map(|shown| (shown.value, shown.variable)), except)
        };
        let shown =
            |value: &str, variable: Option<&str>| Some((value.to_owned(), variable.map(str::to_owned)));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found("", SHELL), (shown("http://proxy:3128", Some("https_proxy")), some("intranet")));
        assert_eq!(found("http://u:secret@p:1", SHELL), (shown("http://p:1", None), some("")));
        assert_eq!(found("", &[("HTTP_PROXY", "http://never")]), (None, None));
        assert_eq!(found("", &[("ALL_PROXY", "socks5://p:1")]), (None, None));
        let url = "http://me:secret@proxy:3128".to_owned();
        let options = ProxyOptions { url, except: String::new() };
        assert_eq!(format!("{options:?}"), "ProxyOptions(http://proxy:3128)");
    }
}
