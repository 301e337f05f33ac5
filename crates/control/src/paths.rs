//! Every path on disk, found the same way by client and daemon.

use std::path::{Path, PathBuf};

use directories::{BaseDirs, ProjectDirs};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

/// A profile's name as a file's or a URL's part.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// There is no home folder to start from.
#[derive(Debug, Error)]
#[error("cannot tell where your home folder is; set HOME")]
pub struct PathsError;

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// ssod's settings.
    pub settings: PathBuf,
    /// What survives a reboot: the vault, the lock, the remembered port.
    pub state: PathBuf,
    /// What does not: the token files, and usually the socket.
    pub runtime: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The AWS config file.
    pub aws_config: PathBuf,
    /// Where the AWS CLI keeps access tokens; always below the home folder, whatever the config file is.
    pub aws_cache: PathBuf,
}

impl Paths {
    /// Finds them by the environment: `SSOD_CONFIG`, `SSOD_SOCKET`, `AWS_CONFIG_FILE`, and the XDG folders.
    pub fn from_environment() -> Result<Self, PathsError> {
        let project = ProjectDirs::from("", "", "ssod").ok_or(PathsError)?;
        let base = BaseDirs::new().ok_or(PathsError)?;
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let state = project.state_dir().unwrap_or(project.data_local_dir()).to_owned();
        let runtime = project.runtime_dir().map_or_else(|| state.join("run"), Path::to_owned);
        Ok(Self {
            settings: variable("SSOD_CONFIG").unwrap_or_else(|| project.config_dir().join("config.toml")),
            socket: variable("SSOD_SOCKET").unwrap_or_else(|| runtime.join("control.sock")),
            aws_config: variable("AWS_CONFIG_FILE")
                .unwrap_or_else(|| base.home_dir().join(".aws").join("config")),
            aws_cache: base.home_dir().join(".aws").join("sso").join("cache"),
            state,
            runtime,
        })
    }

    /// Where a client may find the socket besides [`socket`](Self::socket): cron and `sudo -u` have no
    /// `XDG_RUNTIME_DIR`, though the daemon had one.
    pub fn other_socket(&self) -> Option<PathBuf> {
        if std::env::var_os("SSOD_SOCKET").is_some() || std::env::var_os("XDG_RUNTIME_DIR").is_some() {
            return None;
        }
        let uid = rustix::process::geteuid().as_raw();
        Some(PathBuf::from(format!("/run/user/{uid}/ssod/control.sock")))
    }

    /// The sealed files.
    pub fn vault(&self) -> PathBuf {
        self.state.join("vault")
    }

    /// Held by the one daemon that this user has.
    pub fn lock(&self) -> PathBuf {
        self.state.join("daemon.lock")
    }

    /// What the daemon remembers that is not secret: its port, the active profile.
    pub fn memory(&self) -> PathBuf {
        self.state.join("remembered.json")
    }

    /// Who got which credentials.
    pub fn audit(&self) -> PathBuf {
        self.state.join("audit.jsonl")
    }

    /// The file that a log was before it was begun anew.
    pub fn before(log: &Path) -> PathBuf {
        let mut name = log.as_os_str().to_owned();
        name.push(".1");
        name.into()
    }

    /// The log of a daemon that no service manager started.
    pub fn log(&self) -> PathBuf {
        self.state.join("daemon.log")
    }

    /// The folder with one file for each endpoint token.
    pub fn tokens(&self) -> PathBuf {
        self.runtime.join("tokens")
    }

    /// The file with the token of that profile, or with the one that follows `ssod use`. After each revocation it is another
    /// one: an open shell that reads the old file must not find the new token there.
    pub fn token(&self, profile: Option<&str>, generation: u32) -> PathBuf {
        // `active` itself cannot be a profile's file: those begin with `profile-`.
        let name =
            profile.map_or_else(|| "active".to_owned(), |profile| format!("profile-{}", encode(profile)));
        // No encoded name has an @.
        self.tokens().join(if generation == 0 { name } else { format!("{name}@{generation}") })
    }

    /// The path of the credentials' URI on the endpoint.
    pub fn credentials_route(profile: Option<&str>) -> String {
        profile
            .map_or_else(|| "/credentials".to_owned(), |profile| format!("/credentials/{}", encode(profile)))
    }
}

fn encode(name: &str) -> String {
    utf8_percent_encode(name, NAME).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_folder() {
        assert_eq!(Paths::credentials_route(Some("../a b/ü")), "/credentials/..%2Fa%20b%2F%C3%BC");
        assert_eq!(Paths::credentials_route(None), "/credentials");
    }
}
