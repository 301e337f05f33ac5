//! The paths on disk, which client and daemon find in the same way.

use std::path::{Path, PathBuf};

use directories::{BaseDirs, ProjectDirs};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

use crate::owners::{self, Folders, OtherUsersPath};
use crate::user_path::{UserPathError, resolve_user_path};

/// The characters of a profile's name that are encoded in a file name or a URL.
const ENCODED_CHARACTERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The paths are not known.
#[derive(Debug, Error)]
pub enum PathsError {
    /// There is no home folder.
    #[error("cannot find your home folder; set HOME")]
    NoHome,
    /// A variable has a path that cannot be resolved.
    #[error("{variable}: {error}")]
    Variable {
        /// The variable's name.
        variable: &'static str,
        /// Why its path cannot be resolved.
        error: UserPathError,
    },
    /// The system does not accept a socket's path of this length.
    #[error(
        "the control socket's path {} has {} bytes, but the system allows only {MAX_SOCKET_PATH}; set SSOD_SOCKET to a shorter path in a \
         folder that only you can enter",
        .0.display(), .0.as_os_str().len()
    )]
    SocketTooLong(PathBuf),
    /// A folder belongs to another user.
    #[error(transparent)]
    OtherUsers(OtherUsersPath),
}

impl PathsError {
    /// Returns what the user can do, unless the error says it.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::OtherUsers(other) => Some(other.remedy()),
            Self::NoHome | Self::Variable { .. } | Self::SocketTooLong(_) => None,
        }
    }
}

/// The longest path of a Unix socket in bytes: `sun_path` without the byte that ends it.
const MAX_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// All files and folders of ssod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The home folder.
    pub home: PathBuf,
    /// The settings file.
    pub settings: PathBuf,
    /// The folder that survives a reboot, with the vault, the lock and the state file.
    pub state: PathBuf,
    /// The folder that does not survive a reboot, with the token files and usually the socket.
    pub runtime: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The AWS config file.
    pub aws_config: PathBuf,
    /// The AWS credentials file, which ssod only reads.
    pub aws_credentials: PathBuf,
    /// The folder in which the AWS CLI stores access tokens: always below the home folder, wherever the config file is.
    pub aws_cache: PathBuf,
}

impl Paths {
    /// The variables whose values are paths. Relative paths in them, `~` and `$NAME` are resolved as botocore does.
    pub const VARIABLES: [&'static str; 5] =
        ["SSOD_CONFIG", "SSOD_SOCKET", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"];

    /// Finds the paths from the environment: [`Self::VARIABLES`] and the XDG folders. Fails if a folder of ssod belongs
    /// to another user, before anything is created or followed there.
    pub fn from_environment() -> Result<Self, PathsError> {
        let project = ProjectDirs::from("", "", "ssod").ok_or(PathsError::NoHome)?;
        let home = BaseDirs::new().ok_or(PathsError::NoHome)?.home_dir().to_owned();
        let aws = home.join(".aws");
        let state = project.state_dir().unwrap_or(project.data_local_dir()).to_owned();
        let named_socket = Self::from_variable("SSOD_SOCKET")?;
        let (runtime, socket) = runtime_and_socket(project.runtime_dir(), &state, named_socket)?;
        owners::check(&Folders {
            home: &home,
            others: [
                ("XDG_CONFIG_HOME", project.config_dir()),
                ("XDG_STATE_HOME", &state),
                ("XDG_RUNTIME_DIR", &runtime),
            ],
        })
        .map_err(PathsError::OtherUsers)?;
        let either = |variable, default: PathBuf| Ok(Self::from_variable(variable)?.unwrap_or(default));
        Ok(Self {
            home,
            settings: either("SSOD_CONFIG", project.config_dir().join("config.toml"))?,
            socket,
            aws_config: either("AWS_CONFIG_FILE", aws.join("config"))?,
            aws_credentials: either("AWS_SHARED_CREDENTIALS_FILE", aws.join("credentials"))?,
            aws_cache: aws.join("sso").join("cache"),
            state,
            runtime,
        })
    }

    /// Returns the absolute path that the variable names, unless it is unset or empty.
    pub fn from_variable(variable: &'static str) -> Result<Option<PathBuf>, PathsError> {
        let Some(written) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let current = std::env::current_dir().ok();
        let resolved = resolve_user_path(&written, current.as_deref());
        resolved.map(Some).map_err(|error| PathsError::Variable { variable, error })
    }

    /// Returns a second path at which a client may find the socket: cron and `sudo -u` do not set `XDG_RUNTIME_DIR`,
    /// but the daemon may have been started with it.
    pub fn other_socket(&self) -> Option<PathBuf> {
        if std::env::var_os("SSOD_SOCKET").is_some() || std::env::var_os("XDG_RUNTIME_DIR").is_some() {
            return None;
        }
        let uid = rustix::process::geteuid().as_raw();
        Some(PathBuf::from(format!("/run/user/{uid}/ssod/control.sock")))
    }

    /// Returns the folder with the encrypted files.
    pub fn vault(&self) -> PathBuf {
        self.state.join("vault")
    }

    /// The counter of a vault whose key is in a file. It is beside the vault's folder, so that a copy of the folder
    /// that is put back does not put the counter back.
    pub fn vault_counter(&self) -> PathBuf {
        self.state.join("vault-counter")
    }

    /// Returns the lock file, which ensures that only one daemon of this user runs.
    pub fn lock(&self) -> PathBuf {
        self.state.join("daemon.lock")
    }

    /// Returns the state file, which has data that is not secret: the port, the active profile and similar data.
    pub fn memory(&self) -> PathBuf {
        self.state.join("remembered.json")
    }

    /// Returns the audit log with what callers got and what they changed.
    pub fn audit(&self) -> PathBuf {
        self.state.join("audit.jsonl")
    }

    /// Returns the audit log with the refusals. It is a file of its own, so that no number of refusals can remove
    /// another entry.
    pub fn audit_refusals(&self) -> PathBuf {
        self.state.join("audit-refused.jsonl")
    }

    /// Returns the file that records the newest entry of an audit log, as a [`crate::ChainHead`].
    pub fn chain_head(log: &Path) -> PathBuf {
        let mut name = log.as_os_str().to_owned();
        name.push(".head");
        name.into()
    }

    /// Returns the path to which the daemon renames a full log.
    pub fn before(log: &Path) -> PathBuf {
        let mut name = log.as_os_str().to_owned();
        name.push(".1");
        name.into()
    }

    /// Returns the log of a daemon that runs without a service manager.
    pub fn log(&self) -> PathBuf {
        self.state.join("daemon.log")
    }

    /// Returns the folder with one file for each endpoint token.
    pub fn tokens(&self) -> PathBuf {
        self.runtime.join("tokens")
    }

    /// Returns the file with the token of the profile, or of the active profile. Each revocation changes the path, so
    /// that an open shell does not find the new token in the old file.
    pub fn token(&self, profile: Option<&str>, generation: u32) -> PathBuf {
        // No profile's file can be named `active`, because those names begin with `profile-`.
        let name =
            profile.map_or_else(|| "active".to_owned(), |profile| format!("profile-{}", encode(profile)));
        // An encoded name contains no @.
        self.tokens().join(if generation == 0 { name } else { format!("{name}@{generation}") })
    }

    /// Returns the path of the credentials' URI on the endpoint.
    pub fn credentials_route(profile: Option<&str>) -> String {
        profile
            .map_or_else(|| "/credentials".to_owned(), |profile| format!("/credentials/{}", encode(profile)))
    }
}

/// Returns the runtime folder and the control socket. A runtime folder whose path is too long for a socket counts as
/// none, so that client and daemon find the socket in the state folder. Fails if that path, or the named one, is too
/// long as well.
fn runtime_and_socket(
    runtime: Option<&Path>,
    state: &Path,
    named_socket: Option<PathBuf>,
) -> Result<(PathBuf, PathBuf), PathsError> {
    let fits = |socket: &Path| socket.as_os_str().len() <= MAX_SOCKET_PATH;
    let own_socket = |folder: &Path| folder.join("control.sock");
    let usable = runtime.filter(|runtime| named_socket.is_some() || fits(&own_socket(runtime)));
    let runtime = usable.map_or_else(|| state.join("run"), Path::to_owned);
    let socket = named_socket.unwrap_or_else(|| own_socket(&runtime));
    if fits(&socket) { Ok((runtime, socket)) } else { Err(PathsError::SocketTooLong(socket)) }
}

fn encode(name: &str) -> String {
    utf8_percent_encode(name, ENCODED_CHARACTERS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_sockets_path_is_short_enough_or_the_remedy_is_named() {
        let state = Path::new("/home/u/.local/state/ssod");
        let found = |runtime: Option<&str>, state: &Path, named: Option<&str>| {
            runtime_and_socket(runtime.map(Path::new), state, named.map(PathBuf::from))
                .map(|(runtime, socket)| (runtime.display().to_string(), socket.display().to_string()))
                .map_err(|error| error.to_string())
        };
        let short = Ok(("/run/user/1/ssod".into(), "/run/user/1/ssod/control.sock".into()));
        assert_eq!(found(Some("/run/user/1/ssod"), state, None), short);
        let in_state =
            Ok(("/home/u/.local/state/ssod/run".into(), "/home/u/.local/state/ssod/run/control.sock".into()));
        assert_eq!(found(None, state, None), in_state);
        // 94 bytes, a separator and `control.sock` have 107 bytes.
        let fits = format!("/{}", "r".repeat(93));
        assert_eq!(found(Some(&fits), state, None).unwrap().1.len(), MAX_SOCKET_PATH);
        assert_eq!(found(Some(&format!("{fits}r")), state, None), in_state);
        let long = format!("/{}", "s".repeat(120));
        for (state, named) in [(Path::new(&long), None), (state, Some(long.as_str()))] {
            let error = found(Some(&long), state, named).unwrap_err();
            assert!(error.contains("allows only 107; set SSOD_SOCKET to a shorter path"), "{error}");
        }
        // A named socket needs no other folder for the token files.
        assert_eq!(found(Some(&long), state, Some("/s")), Ok((long.clone(), "/s".into())));
    }

    #[test]
    fn a_profile_name_cannot_leave_its_folder() {
        assert_eq!(Paths::credentials_route(Some("../a b/ü")), "/credentials/..%2Fa%20b%2F%C3%BC");
        assert_eq!(Paths::credentials_route(None), "/credentials");
    }
}
