//! `config.toml`: all optional, every unknown key an error that names it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};
use ssod_broker::{KeepFresh, Policy};
use ssod_model::ProfileName;
use ssod_vault::KeyStoreChoice;
use thiserror::Error;

use crate::system::logging::LogFormat;

/// The port that ssod takes where nothing else is said; the only one that may move, at the very first start.
pub(crate) const DEFAULT_PORT: u16 = 7746;

/// The settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not what ssod understands.
    #[error("{} {message}", .path.display())]
    Wrong {
        /// Which.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
}

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The loopback endpoint.
    pub endpoint: EndpointSettings,
    /// IMDS.
    pub imds: ImdsSettings,
    /// How to reach AWS.
    pub network: NetworkSettings,
    /// Where the vault's key is.
    pub vault: VaultSettings,
    /// What is kept fresh.
    pub refresh: RefreshSettings,
    /// How people sign in.
    pub login: LoginSettings,
    /// When ssod locks itself.
    pub lock: LockSettings,
    /// The log.
    pub log: LogSettings,
    /// What is shown on the desktop.
    pub notifications: NotificationSettings,
    /// What is shared with the AWS CLI.
    pub aws_cli: AwsCliSettings,
}

/// `[endpoint]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointSettings {
    /// The port on 127.0.0.1.
    pub port: Option<u16>,
}

/// `[imds]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImdsSettings {
    /// Whether the endpoint serves the active profile by IMDS.
    pub enabled: bool,
    /// A port for each of these profiles.
    pub profiles: BTreeMap<String, u16>,
}

impl Default for ImdsSettings {
    fn default() -> Self {
        Self { enabled: true, profiles: BTreeMap::new() }
    }
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// A proxy URL; empty for the environment's.
    pub proxy: String,
    /// A file of certificates to trust besides the system's; empty for `AWS_CA_BUNDLE`.
    pub ca_bundle: String,
    /// Calls to the portal a second.
    #[serde(deserialize_with = "rate")]
    pub portal_rate: f64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { proxy: String::new(), ca_bundle: String::new(), portal_rate: Policy::default().portal_rate }
    }
}

/// `[vault]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultSettings {
    /// Where the key is.
    #[serde(deserialize_with = "key_store")]
    pub key: KeyStoreChoice,
}

/// `[refresh]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefreshSettings {
    /// Which profiles are kept fresh.
    pub keep_fresh: Fresh,
    /// How long an unused profile is.
    #[serde(deserialize_with = "duration")]
    pub idle_after: Duration,
}

impl Default for RefreshSettings {
    fn default() -> Self {
        Self { keep_fresh: Fresh::Word(FreshWord::Used), idle_after: Policy::default().idle_after }
    }
}

/// `keep_fresh`: a word or a list of profiles.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "\"used\", \"all\", or a list of profile names")]
pub enum Fresh {
    /// A word.
    Word(FreshWord),
    /// Profiles.
    Listed(Vec<String>),
}

/// The words for `keep_fresh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FreshWord {
    /// Those in use.
    Used,
    /// All.
    All,
}

/// `[login]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginSettings {
    /// How to sign in.
    pub flow: FlowSetting,
    /// The command that opens the browser; `{url}` is replaced.
    pub browser: String,
    /// How long a sign-in lasts, as the administrator set it; unknown where it is empty.
    #[serde(deserialize_with = "optional_duration")]
    pub session_length: Option<Duration>,
}

/// `flow`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowSetting {
    /// The browser where there is one.
    #[default]
    Auto,
    /// Always the browser.
    Pkce,
    /// Always the code.
    DeviceCode,
}

/// `[lock]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LockSettings {
    /// Locks when nobody asked for credentials for so long; never where it is empty.
    #[serde(deserialize_with = "optional_duration")]
    pub idle_after: Option<Duration>,
}

/// `[log]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The form.
    pub format: LogFormat,
}

/// `[notifications]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationSettings {
    /// Whether anything is shown, where there is a desktop.
    pub desktop: bool,
    /// How long before a session's end, where that is known.
    #[serde(deserialize_with = "duration")]
    pub before_expiry: Duration,
}

impl Default for NotificationSettings {
    fn default() -> Self {
        Self { desktop: true, before_expiry: Duration::from_mins(15) }
    }
}

/// `[aws_cli]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsCliSettings {
    /// Whether access tokens are also kept where the AWS CLI looks for them.
    pub share_access_token: bool,
}

impl Settings {
    /// Reads the file; a missing one means that everything is as it comes.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                Self::parse(&text).map_err(|message| SettingsError::Wrong { path: path.to_owned(), message })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(SettingsError::Unreadable { path: path.to_owned(), error }),
        }
    }

    /// Reads the text; fails with the line and what is wrong there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
            let line = before.matches('\n').count() + 1;
            format!("line {line}: {}", error.message().trim().replace('\n', "; "))
        })?;
        let mut ports: Vec<u16> =
            settings.imds.profiles.values().copied().chain(settings.endpoint.port).collect();
        ports.sort_unstable();
        if ports.first() == Some(&0) || ports.windows(2).any(|two| two[0] == two[1]) {
            return Err(
                "[endpoint] port and the ports in [imds] profiles must be different and not 0".to_owned()
            );
        }
        Ok(settings)
    }

    /// The broker's part of it.
    pub(crate) fn policy(&self) -> Policy {
        let keep_fresh = match &self.refresh.keep_fresh {
            Fresh::Word(FreshWord::Used) => KeepFresh::Used,
            Fresh::Word(FreshWord::All) => KeepFresh::All,
            Fresh::Listed(names) => {
                KeepFresh::Listed(names.iter().filter_map(|name| ProfileName::parse(name).ok()).collect())
            }
        };
        Policy {
            keep_fresh,
            idle_after: self.refresh.idle_after,
            portal_rate: self.network.portal_rate,
            session_length: self.login.session_length,
        }
    }

    /// What of a change needs a restart, in words; `None` where nothing does.
    pub(crate) fn needs_restart(&self, new: &Self) -> Option<String> {
        let changed = [
            ("[endpoint]", self.endpoint != new.endpoint),
            (
                "[network]",
                (&self.network.proxy, &self.network.ca_bundle)
                    != (&new.network.proxy, &new.network.ca_bundle),
            ),
            ("[log]", self.log != new.log),
        ];
        let names: Vec<_> = changed.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
        (!names.is_empty())
            .then(|| format!("{} changed; that takes effect when the daemon is restarted", names.join(", ")))
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is not a duration such as \"12h\" or \"15m\""))
    })
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let rate = f64::deserialize(deserializer)?;
    if (0.1..=1_000.0).contains(&rate) {
        return Ok(rate);
    }
    Err(serde::de::Error::custom(format!("{rate} calls a second are too few or too many (0.1 to 1000)")))
}

fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parse = || duration(serde::de::value::StringDeserializer::<D::Error>::new(text.clone()));
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = parse()?;
    if parsed < Duration::from_secs(1) {
        return Err(serde::de::Error::custom(format!("{text:?} is over at once; for never, leave it empty")));
    }
    Ok(Some(parsed))
}

fn key_store<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyStoreChoice, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use ssod_vault::KeyStore;

    use super::*;

    #[test]
    fn everything_is_optional() {
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
        let some = Settings::parse(
            "[endpoint]\nport = 7800\n[imds]\nprofiles = { readOnlyUser = 7747 }\n[vault]\nkey = \"file\"\n\
             [refresh]\nkeep_fresh = [\"adminUser\"]\nidle_after = \"1h30m\"\n[login]\nflow = \"device-code\"\n\
             session_length = \"8h\"\n[lock]\nidle_after = \"30m\"\n[notifications]\nbefore_expiry = \"5m\"\n\
             [aws_cli]\nshare_access_token = true\n",
        )
        .unwrap();
        assert_eq!(some.endpoint.port, Some(7800));
        assert_eq!(some.vault.key, KeyStoreChoice::Only(KeyStore::File));
        assert_eq!(some.refresh.idle_after, Duration::from_mins(90));
        assert_eq!(some.login.flow, FlowSetting::DeviceCode);
        assert_eq!(some.lock.idle_after, Some(Duration::from_mins(30)));
        assert_eq!(some.policy().session_length, Some(Duration::from_hours(8)));
        assert_eq!(some.notifications.before_expiry, Duration::from_mins(5));
        assert!(some.aws_cli.share_access_token && some.notifications.desktop);
        assert_eq!(Settings::parse("[lock]\nidle_after = \"\"\n").unwrap(), Settings::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, words) in [
            ("[vault]\nkee = \"file\"\n", "line 2: unknown field `kee`"),
            ("\n[vault]\nkey = \"floppy\"\n", "line 3: \"floppy\" is not a key store"),
            ("[refresh]\nidle_after = \"soon\"\n", "line 2: \"soon\" is not a duration"),
            ("[refresh]\nkeep_fresh = \"some\"\n", "line 2: \"used\", \"all\", or a list of profile names"),
            ("[endpoint]\nport = 99999\n", "line 2"),
            ("[endpoint]\nport = 7\n[imds]\nprofiles = { a = 7 }\n", "must be different"),
            ("[network]\nportal_rate = 0\n", "line 2: 0 calls a second are too few"),
            ("[lock]\nidle_after = \"0s\"\n", "is over at once"),
            ("not toml", "line 1"),
        ] {
            let message = Settings::parse(text).unwrap_err();
            assert!(message.contains(words), "{text:?}: {message}");
        }
    }
}
