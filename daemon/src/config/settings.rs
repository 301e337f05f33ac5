//! `config.toml`. Every setting is optional. An unknown key or an invalid value is an error that names its line.

mod file;
mod mistake;
mod network;
mod profile_names;
mod syntax;
mod value;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssod_broker::{KeepFresh, Policy};
use ssod_model::ProfileName;
use ssod_vault::KeyStoreChoice;
use thiserror::Error;

use self::file::{SettingsFile, Table};
pub use self::mistake::Mistake;
use self::mistake::line_at;
pub(crate) use self::network::NetworkSettings;
pub(crate) use self::profile_names::NamedProfile;
use self::value::{command, duration, one_of, optional_duration, port, switch};
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
    /// The file has a mistake.
    #[error("{} line {}: {}", .path.display(), .mistake.line, .mistake.message)]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The first mistake.
        mistake: Mistake,
    },
}

impl SettingsError {
    /// Returns what the user can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "Make it a file that you can read, or set SSOD_CONFIG to another file".to_owned()
            }
            Self::Invalid { mistake, .. } => mistake.remedy(),
        }
    }
}

/// All settings.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// The profiles that the settings name, with their lines.
    pub(crate) named_profiles: Vec<NamedProfile>,
}

/// `[endpoint]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSettings {
    /// The port on 127.0.0.1.
    pub port: Option<u16>,
}

/// `[imds]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImdsSettings {
    /// Whether the endpoint serves the active profile over IMDS.
    pub enabled: bool,
    /// The profiles that have their own port, with that port.
    pub profiles: BTreeMap<ProfileName, u16>,
}

impl Default for ImdsSettings {
    fn default() -> Self {
        Self { enabled: true, profiles: BTreeMap::new() }
    }
}

/// `[vault]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultSettings {
    /// The key store.
    pub key: KeyStoreChoice,
}

/// `[refresh]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshSettings {
    /// Which profiles are kept fresh: `"used"`, `"all"`, or a list of their names.
    pub keep_fresh: KeepFresh,
    /// A profile that was not used for this long is no longer kept fresh by `"used"`.
    pub idle_after: Duration,
}

impl Default for RefreshSettings {
    fn default() -> Self {
        let Policy { keep_fresh, idle_after, .. } = Policy::default();
        Self { keep_fresh, idle_after }
    }
}

/// `[login]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginSettings {
    /// The sign-in flow.
    pub flow: FlowSetting,
    /// The command that opens the browser, in a shell's quoting; `{url}` is replaced.
    pub browser: String,
    /// How long a sign-in lasts, as the administrator set it; unknown if empty.
    pub session_length: Option<Duration>,
}

/// `flow`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockSettings {
    /// The daemon locks itself if no caller got credentials for this long; never if empty.
    pub idle_after: Option<Duration>,
}

/// `[log]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The format.
    pub format: LogFormat,
}

/// `[notifications]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationSettings {
    /// Whether notifications are shown on the desktop, if there is one.
    pub desktop: bool,
    /// How long before a session's end the warning is shown, if the end is known.
    pub before_expiry: Duration,
}

impl Default for NotificationSettings {
    fn default() -> Self {
        Self { desktop: true, before_expiry: Duration::from_mins(15) }
    }
}

/// `[aws_cli]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsCliSettings {
    /// Whether access tokens are also written where the AWS CLI reads them.
    pub share_access_token: bool,
}

impl FlowSetting {
    const WORDS: [(&str, Self); 3] =
        [("auto", Self::Auto), ("pkce", Self::Pkce), ("device-code", Self::DeviceCode)];
}

impl Settings {
    /// Loads the file. Without a file, every setting has its default.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let invalid = |mistake| SettingsError::Invalid { path: path.to_owned(), mistake };
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(decode(&bytes).map_err(invalid)?).map_err(invalid),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(SettingsError::Unreadable { path: path.to_owned(), error }),
        }
    }

    /// Parses the text; the error is the first mistake.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let file = SettingsFile::parse(text).map_err(|error| {
            let is_right = |text: &str| {
                let last = text.lines().count();
                SettingsFile::parse(text)
                    .is_ok_and(|file| Self::read(file).1.iter().all(|mistake| mistake.line != last))
            };
            syntax::explain(text, &error, is_right)
        })?;
        let (settings, mistakes) = Self::read(file);
        let mistake = mistakes.into_iter().next().or_else(|| settings.port_conflict(settings.endpoint.port));
        mistake.map_or(Ok(settings), Err)
    }

    /// Reads all tables. The settings with a mistake have their defaults.
    fn read(mut file: SettingsFile<'_>) -> (Self, Vec<Mistake>) {
        let mut named = Vec::new();
        let mut settings = Self {
            endpoint: file.table("endpoint", EndpointSettings::read),
            imds: file.table("imds", |table| ImdsSettings::read(table, &mut named)),
            network: file.table("network", NetworkSettings::read),
            vault: file.table("vault", VaultSettings::read),
            refresh: file.table("refresh", |table| RefreshSettings::read(table, &mut named)),
            login: file.table("login", LoginSettings::read),
            lock: file.table("lock", LockSettings::read),
            log: file.table("log", LogSettings::read),
            notifications: file.table("notifications", NotificationSettings::read),
            aws_cli: file.table("aws_cli", AwsCliSettings::read),
            named_profiles: Vec::new(),
        };
        named.sort_by_key(|named| named.line);
        settings.named_profiles = named;
        (settings, file.finish())
    }

    /// Returns the mistake that an IMDS port is another profile's, or the endpoint's.
    pub(crate) fn port_conflict(&self, endpoint: Option<u16>) -> Option<Mistake> {
        profile_names::port_conflict(&self.imds.profiles, &self.named_profiles, endpoint)
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

impl EndpointSettings {
    fn read(table: &mut Table<'_>) -> Self {
        Self { port: table.read("port", None, |value| port(value).map(Some)) }
    }
}

impl ImdsSettings {
    fn read(table: &mut Table<'_>, named: &mut Vec<NamedProfile>) -> Self {
        let Self { enabled, .. } = Self::default();
        Self {
            enabled: table.read("enabled", enabled, switch),
            profiles: profile_names::imds_profiles(table, named),
        }
    }
}

impl VaultSettings {
    fn read(table: &mut Table<'_>) -> Self {
        let words = KeyStoreChoice::all().map(|choice| (choice.as_str(), choice));
        Self { key: table.read("key", KeyStoreChoice::default(), |value| one_of(value, &words)) }
    }
}

impl RefreshSettings {
    fn read(table: &mut Table<'_>, named: &mut Vec<NamedProfile>) -> Self {
        let Self { keep_fresh, idle_after } = Self::default();
        Self {
            keep_fresh: profile_names::keep_fresh(table, keep_fresh, named),
            idle_after: table.read("idle_after", idle_after, |value| duration(value, "12h")),
        }
    }
}

impl LoginSettings {
    fn read(table: &mut Table<'_>) -> Self {
        let Self { flow, browser, session_length } = Self::default();
        Self {
            flow: table.read("flow", flow, |value| one_of(value, &FlowSetting::WORDS)),
            browser: table.read("browser", browser, |value| command(value, "firefox {url}")),
            session_length: table.read("session_length", session_length, |value| {
                optional_duration(value, "8h", "\"not known\"")
            }),
        }
    }
}

impl LockSettings {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            idle_after: table.read("idle_after", None, |value| optional_duration(value, "30m", "\"never\"")),
        }
    }
}

impl LogSettings {
    fn read(table: &mut Table<'_>) -> Self {
        Self { format: table.read("format", LogFormat::default(), |value| one_of(value, &LogFormat::WORDS)) }
    }
}

impl NotificationSettings {
    fn read(table: &mut Table<'_>) -> Self {
        let Self { desktop, before_expiry } = Self::default();
        Self {
            desktop: table.read("desktop", desktop, switch),
            before_expiry: table.read("before_expiry", before_expiry, |value| duration(value, "15m")),
        }
    }
}

impl AwsCliSettings {
    fn read(table: &mut Table<'_>) -> Self {
        Self { share_access_token: table.read("share_access_token", false, switch) }
    }
}

/// Returns the text without a byte-order mark, which some editors write.
fn decode(bytes: &[u8]) -> Result<&str, Mistake> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
        let line = line_at(&valid, valid.len());
        let message = "this line has bytes that are not text in UTF-8; save the file in that encoding";
        Mistake::new(line, message, None)
    })
}

#[cfg(test)]
mod tests;
