//! `config.toml`. Every setting is optional. An unknown key or an invalid value is an error that names its line.

mod error;
mod file;
mod load;
mod mistake;
mod profile_names;
mod syntax;
mod value;

use std::collections::BTreeMap;
use std::time::Duration;

use ssod_broker::{KeepFresh, Policy};
use ssod_model::ProfileName;
use ssod_vault::KeyStoreChoice;

pub use self::error::SettingsError;
use self::file::{Mistakes, SettingsFile, Table};
pub use self::mistake::Mistake;
pub(crate) use self::profile_names::NamedProfile;
use self::value::{command, duration, one_of, optional_duration, port, rate, switch, text};
use crate::system::logging::LogFormat;

/// The port if the settings name none. At the very first start, the daemon may choose another one.
pub(crate) const DEFAULT_PORT: u16 = 7746;

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
    /// The line of `[lock] presence`.
    presence_line: Option<usize>,
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

/// `[network]`
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSettings {
    /// A proxy URL; if empty, the environment's proxy is used.
    pub proxy: String,
    /// A file of certificates to trust in addition to the system's; if empty, `AWS_CA_BUNDLE` is used.
    pub ca_bundle: String,
    /// Calls to the portal per second.
    pub portal_rate: f64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { proxy: String::new(), ca_bundle: String::new(), portal_rate: Policy::default().portal_rate }
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
    /// Whether a lock also locks the keyring that has the vault's key, so that an unlock needs its password.
    pub presence: bool,
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
    /// Parses the text; the error is the first mistake.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let file = SettingsFile::parse(text).map_err(|error| {
            let is_right = |text: &str| {
                let last = text.lines().count();
                SettingsFile::parse(text).is_ok_and(|file| !Self::read(file).1.lines.contains(&last))
            };
            syntax::explain(text, &error, is_right)
        })?;
        let (settings, mistakes) = Self::read(file);
        let mistake = mistakes.first;
        let mistake = mistake.or_else(|| settings.port_conflict(settings.endpoint.port));
        let mistake = mistake.or_else(|| settings.presence_conflict());
        mistake.map_or(Ok(settings), Err)
    }

    /// Reads all tables. The settings with a mistake have their defaults.
    fn read(mut file: SettingsFile<'_>) -> (Self, Mistakes) {
        let (mut named, mut presence_line) = (Vec::new(), None);
        let mut settings = Self {
            endpoint: file.table("endpoint", EndpointSettings::read),
            imds: file.table("imds", |table| ImdsSettings::read(table, &mut named)),
            network: file.table("network", NetworkSettings::read),
            vault: file.table("vault", VaultSettings::read),
            refresh: file.table("refresh", |table| RefreshSettings::read(table, &mut named)),
            login: file.table("login", LoginSettings::read),
            lock: file.table("lock", |table| {
                presence_line = table.line_of("presence");
                LockSettings::read(table)
            }),
            log: file.table("log", LogSettings::read),
            notifications: file.table("notifications", NotificationSettings::read),
            aws_cli: file.table("aws_cli", AwsCliSettings::read),
            named_profiles: Vec::new(),
            presence_line: None,
        };
        settings.presence_line = presence_line;
        named.sort_by_key(|named| named.line);
        settings.named_profiles = named;
        (settings, file.finish())
    }

    /// Returns the mistake that an IMDS port is another profile's, or the endpoint's.
    pub(crate) fn port_conflict(&self, endpoint: Option<u16>) -> Option<Mistake> {
        profile_names::port_conflict(&self.imds.profiles, &self.named_profiles, endpoint)
    }

    /// Returns the mistake that `[lock] presence` is set for a key store that has no password.
    fn presence_conflict(&self) -> Option<Mistake> {
        let (line, KeyStoreChoice::Only(store)) = (self.presence_line?, self.vault.key) else { return None };
        (self.lock.presence && !store.has_password()).then(|| {
            let message = format!(
                "presence under [lock] needs a keyring with a password, but [vault] key says {store}, which has none"
            );
            let advice = "set presence = false, or keep the key in the desktop's keyring: key = \"secret-service\"";
            Mistake::new(line, message, Some(advice.to_owned()))
        })
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

impl NetworkSettings {
    fn read(table: &mut Table<'_>) -> Self {
        let Self { proxy, ca_bundle, portal_rate } = Self::default();
        Self {
            proxy: table.read("proxy", proxy, |value| text(value, "http://proxy.example.com:3128")),
            ca_bundle: table.read("ca_bundle", ca_bundle, |value| text(value, "~/certificates.pem")),
            portal_rate: table.read("portal_rate", portal_rate, rate),
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
            presence: table.read("presence", false, switch),
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

#[cfg(test)]
mod tests;
