//! `config.toml`. Every setting is optional. An unknown key or an invalid value is an error that names its line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use jiff::SignedDuration;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use ssod_broker::{KeepFresh, Policy};
use ssod_model::ProfileName;
use ssod_vault::KeyStoreChoice;
use thiserror::Error;

use crate::system::logging::LogFormat;

/// The port if the settings name none. At the very first start, the daemon may choose another one.
pub(crate) const DEFAULT_PORT: u16 = 7746;

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// The file has an unknown key or an invalid value.
    #[error("{} {message}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line and the error.
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
    /// The store of the vault's key.
    pub vault: VaultSettings,
    /// Which credentials are refreshed before they are requested.
    pub refresh: RefreshSettings,
    /// How the user signs in.
    pub login: LoginSettings,
    /// When the daemon locks itself.
    pub lock: LockSettings,
    /// The log.
    pub log: LogSettings,
    /// Notifications on the desktop.
    pub notifications: NotificationSettings,
    /// The sharing with the AWS CLI.
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
    /// Whether the endpoint serves the active profile over IMDS.
    pub enabled: bool,
    /// The profiles that have their own port, with that port.
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
    /// A proxy URL; if empty, the environment's proxy is used.
    pub proxy: String,
    /// A file of certificates to trust in addition to the system's; if empty, `AWS_CA_BUNDLE` is used.
    pub ca_bundle: String,
    /// Calls to the portal per second.
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
    /// The key store.
    #[serde(deserialize_with = "key_store")]
    pub key: KeyStoreChoice,
}

/// `[refresh]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefreshSettings {
    /// Which profiles are kept fresh: `"used"`, `"all"`, or a list of their names.
    #[serde(deserialize_with = "keep_fresh")]
    pub keep_fresh: KeepFresh,
    /// A profile that was not used for this long is no longer kept fresh by `"used"`.
    #[serde(deserialize_with = "duration")]
    pub idle_after: Duration,
}

impl Default for RefreshSettings {
    fn default() -> Self {
        let Policy { keep_fresh, idle_after, .. } = Policy::default();
        Self { keep_fresh, idle_after }
    }
}

/// `[login]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginSettings {
    /// The sign-in flow.
    pub flow: FlowSetting,
    /// The command that opens the browser; `{url}` is replaced.
    pub browser: String,
    /// How long a sign-in lasts, as the administrator set it; unknown if empty.
    #[serde(deserialize_with = "optional_duration")]
    pub session_length: Option<Duration>,
}

/// `flow`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowSetting {
    /// The browser if there is one, otherwise the code.
    #[default]
    Auto,
    /// Always the browser.
    Pkce,
    /// Always the device code.
    DeviceCode,
}

/// `[lock]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LockSettings {
    /// The daemon locks itself if no caller got credentials for this long; never if empty.
    #[serde(deserialize_with = "optional_duration")]
    pub idle_after: Option<Duration>,
}

/// `[log]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The format.
    pub format: LogFormat,
}

/// `[notifications]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationSettings {
    /// Whether notifications are shown on the desktop, if there is one.
    pub desktop: bool,
    /// How long before a session's end the warning is shown, if the end is known.
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
    /// Whether access tokens are also written where the AWS CLI reads them.
    pub share_access_token: bool,
}

impl Settings {
    /// Loads the file. Without a file, every setting has its default.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text)
                .map_err(|message| SettingsError::Invalid { path: path.to_owned(), message }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(SettingsError::Unreadable { path: path.to_owned(), error }),
        }
    }

    /// Parses the text; the error names the line.
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

    /// Returns the broker's settings.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            keep_fresh: self.refresh.keep_fresh.clone(),
            idle_after: self.refresh.idle_after,
            portal_rate: self.network.portal_rate,
            session_length: self.login.session_length,
        }
    }

    /// Returns a sentence about the changes that need a restart; `None` if there are none.
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
            .then(|| format!("{} changed; this takes effect when the daemon is restarted", names.join(", ")))
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration such as \"12h\" or \"15m\"")))
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let rate = f64::deserialize(deserializer)?;
    if (0.1..=1_000.0).contains(&rate) {
        return Ok(rate);
    }
    Err(D::Error::custom(format!("{rate} calls per second are too few or too many (0.1 to 1000)")))
}

fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parse = || duration(serde::de::value::StringDeserializer::<D::Error>::new(text.clone()));
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = parse()?;
    if parsed < Duration::from_secs(1) {
        return Err(D::Error::custom(format!(
            "{text:?} is shorter than a second; leave it empty for \"never\""
        )));
    }
    Ok(Some(parsed))
}

fn key_store<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyStoreChoice, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads a word or a list. The names are parsed here, so that an invalid one is reported with the line of the setting.
fn keep_fresh<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeepFresh, D::Error> {
    deserializer.deserialize_any(KeepFreshVisitor)
}

struct KeepFreshVisitor;

impl<'de> Visitor<'de> for KeepFreshVisitor {
    type Value = KeepFresh;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"used\", \"all\", or a list of profile names")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<KeepFresh, E> {
        match word {
            "used" => Ok(KeepFresh::Used),
            "all" => Ok(KeepFresh::All),
            _ => Err(E::custom(format!("{word:?} is not \"used\", \"all\", or a list of profile names"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<KeepFresh, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(ListedProfile(name)) = list.next_element()? {
            names.insert(name);
        }
        Ok(KeepFresh::Listed(names))
    }
}

struct ListedProfile(ProfileName);

impl<'de> Deserialize<'de> for ListedProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        ProfileName::parse(&name).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use ssod_vault::KeyStore;

    use super::*;

    #[test]
    fn every_setting_is_optional() {
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
    fn an_error_names_its_line() {
        for (text, expected) in [
            ("[vault]\nkee = \"file\"\n", "line 2: unknown field `kee`"),
            ("\n[vault]\nkey = \"floppy\"\n", "line 3: \"floppy\" is not a key store"),
            ("[refresh]\nidle_after = \"soon\"\n", "line 2: \"soon\" is not a duration"),
            ("[refresh]\nkeep_fresh = \"some\"\n", "line 2: \"some\" is not \"used\", \"all\", or a list"),
            (
                "[refresh]\nkeep_fresh = 3\n",
                "line 2: invalid type: integer `3`, expected \"used\", \"all\", or a list",
            ),
            ("[refresh]\nkeep_fresh = [\"good\", \"\"]\n", "line 2: \"\" is not a profile name"),
            ("[endpoint]\nport = 99999\n", "line 2"),
            ("[endpoint]\nport = 7\n[imds]\nprofiles = { a = 7 }\n", "must be different"),
            ("[network]\nportal_rate = 0\n", "line 2: 0 calls per second are too few"),
            ("[lock]\nidle_after = \"0s\"\n", "line 2: \"0s\" is shorter than a second"),
            ("not toml", "line 1"),
        ] {
            let message = Settings::parse(text).unwrap_err();
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }
}
