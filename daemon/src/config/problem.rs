//! The present problems, as `ssod status` and `ssod doctor` show them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ssod_control::{Check, CheckGroup, CheckState};

use crate::sentence::sentence;

/// The area that a problem concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    /// The AWS config file.
    AwsConfig,
    /// `config.toml`.
    Settings,
    /// Changed settings that take effect only at the next start.
    Restart,
    /// Profiles that the settings name and that do not exist.
    UnknownProfile,
    /// The IMDS ports.
    Imds,
    /// The store of the vault's key.
    KeyStore,
    /// The vault's files.
    Vault,
    /// The machine's clock.
    Clock,
}

impl Area {
    /// Returns the word that `ssod doctor` shows.
    fn word(self) -> &'static str {
        match self {
            Self::AwsConfig | Self::Settings | Self::Restart | Self::UnknownProfile | Self::Imds => {
                "configuration"
            }
            Self::KeyStore => "key store",
            Self::Vault => "vault",
            Self::Clock => "clock",
        }
    }

    fn group(self) -> CheckGroup {
        match self {
            Self::AwsConfig | Self::Settings | Self::Restart | Self::UnknownProfile | Self::Imds => {
                CheckGroup::Files
            }
            Self::KeyStore | Self::Vault | Self::Clock => CheckGroup::Daemon,
        }
    }

    fn severity(self) -> CheckState {
        match self {
            Self::AwsConfig | Self::Settings | Self::Imds | Self::Clock => CheckState::Failed,
            Self::Restart | Self::UnknownProfile | Self::KeyStore | Self::Vault => CheckState::Warning,
        }
    }
}

/// One problem, and what the user can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The area that it concerns.
    pub(crate) area: Area,
    /// The file and the line, if there are any: "~/.aws/config line 7".
    pub(crate) location: Option<String>,
    /// The problem, without a full stop.
    pub(crate) message: String,
    /// What the user can do; `None` if the message says it already.
    pub(crate) remedy: Option<String>,
}

impl Problem {
    /// Creates a problem whose message says what to do.
    pub(crate) fn new(area: Area, message: impl Into<String>) -> Self {
        Self { area, location: None, message: message.into(), remedy: None }
    }

    /// Adds the location.
    pub(crate) fn at(self, location: impl Into<String>) -> Self {
        Self { location: Some(location.into()), ..self }
    }

    /// Adds what the user can do.
    pub(crate) fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Returns whether it comes from a configuration file that has a mistake or a change not in force yet.
    pub(crate) fn is_configuration(&self) -> bool {
        matches!(self.area, Area::AwsConfig | Area::Settings | Area::Restart | Area::Imds)
    }

    /// Returns it as one line for `ssod status` and the log.
    pub(crate) fn line(&self) -> String {
        let location = self.location.as_ref().map(|location| format!("{location} ")).unwrap_or_default();
        let located = format!("{location}{}", self.message);
        match &self.remedy {
            Some(remedy) => format!("{} {remedy}", sentence(&located)),
            None => located,
        }
    }

    /// Returns it as a line of `ssod doctor`.
    pub(crate) fn check(&self) -> Check {
        let location = self.location.as_ref().map(|location| format!("{location} ")).unwrap_or_default();
        let hint = self.remedy.clone().or_else(|| self.area.default_remedy().map(str::to_owned));
        Check {
            group: self.area.group(),
            name: self.area.word().to_owned(),
            state: self.area.severity(),
            message: sentence(&format!("{location}{}", self.message)),
            hint,
        }
    }
}

impl Area {
    /// Returns the remedy for problems that have none of their own.
    fn default_remedy(self) -> Option<&'static str> {
        match self {
            Self::AwsConfig | Self::Settings | Self::UnknownProfile | Self::Imds => {
                Some("Fix it; ssod reloads the file at once")
            }
            Self::Restart => Some("Restart the daemon: ssod service stop, then any ssod command"),
            Self::KeyStore => Some("Until then, ssod uses the key where it is"),
            Self::Vault => Some("Remove the file that was set aside if you do not need it"),
            Self::Clock => None,
        }
    }
}

/// The problems of the configuration, by area. Clones share one list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems(Arc<Mutex<BTreeMap<Area, Vec<Problem>>>>);

impl Problems {
    /// Replaces the problems of one area, and logs the new ones.
    pub(crate) fn replace(&self, area: Area, problems: Vec<Problem>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&area).map_or(&[][..], Vec::as_slice);
        for problem in problems.iter().filter(|problem| !known.contains(problem)) {
            tracing::warn!("{}", problem.line());
        }
        all.insert(area, problems);
    }

    /// Returns all problems.
    pub(crate) fn all(&self) -> Vec<Problem> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }
}
