//! Removes the variables that a daemon may not have from its environment.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use ssod_control::{is_daemon_variable, is_loader_variable};

/// Starts this program again in the same process, without the variables that a daemon may not have, if there are any.
/// Libraries read some of them, such as `SSL_CERT_FILE`, which would replace the certificates that AWS's are checked
/// against. A service manager notices nothing: the process and its open sockets stay.
///
/// Fails if the program cannot be started again.
pub fn restrict_environment() -> Result<()> {
    let all: Vec<_> = std::env::vars_os().collect();
    let kept: Vec<_> = all.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
    if kept.len() == all.len() {
        return Ok(());
    }
    Err(start_again(kept)).context("cannot start again without the variables that a daemon may not have")
}

fn is_kept(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| is_daemon_variable(name) || is_loader_variable(name))
}

/// Returns only if it fails.
fn start_again(variables: Vec<(OsString, OsString)>) -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    Command::new(program).arg0(name).args(arguments).env_clear().envs(variables).exec()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn variables_that_libraries_would_obey_are_removed() {
        for kept in ["HOME", "SSOD_LOG", "LISTEN_PID", "AWS_CA_BUNDLE", "LD_LIBRARY_PATH"] {
            assert!(is_kept(OsStr::new(kept)), "{kept}");
        }
        for removed in ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "AWS_ENDPOINT_URL", "RUST_LOG"] {
            assert!(!is_kept(OsStr::new(removed)), "{removed}");
        }
        assert!(!is_kept(OsStr::from_bytes(b"SSOD_\xff")));
    }
}
