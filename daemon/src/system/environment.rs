//! Removes the variables that a daemon may not have from its environment, and adds those of the allocator.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use ssod_control::{ALLOCATOR_VARIABLES, is_daemon_variable, is_loader_variable};

/// Starts this program again in the same process, unless its environment is the one of a daemon already: without the
/// variables that a daemon may not have, and with those of the allocator. Libraries read some of the former, such as
/// `SSL_CERT_FILE`, which would replace the certificates that AWS's are checked against. A service manager notices
/// nothing: the process and its open sockets stay.
///
/// Fails if the program cannot be started again.
pub fn restrict_environment() -> Result<()> {
    let present: BTreeMap<_, _> = std::env::vars_os().collect();
    let allowed = restricted(present.clone());
    if allowed == present {
        return Ok(());
    }
    Err(start_again(allowed)).context("cannot start again with the variables that a daemon may have")
}

fn restricted(mut variables: BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
    variables.retain(|name, _| is_kept(name));
    variables.extend(ALLOCATOR_VARIABLES.iter().map(|(name, value)| (name.into(), value.into())));
    variables
}

fn is_kept(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| is_daemon_variable(name) || is_loader_variable(name))
}

/// Returns only if it fails.
fn start_again(variables: BTreeMap<OsString, OsString>) -> io::Error {
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

    #[test]
    fn a_program_that_was_started_again_is_not_started_a_third_time() {
        let shell = ["HOME", "SSL_CERT_FILE", "MALLOC_ARENA_MAX", "MALLOC_TRACE"];
        let once = restricted(shell.map(|name| (name.into(), "x".into())).into());
        assert_eq!(restricted(once.clone()), once);
        let names: Vec<_> = once.keys().filter_map(|name| name.to_str()).collect();
        assert!(
            names.contains(&"HOME") && !names.contains(&"SSL_CERT_FILE") && !names.contains(&"MALLOC_TRACE")
        );
        let expected =
            ALLOCATOR_VARIABLES.iter().all(|(name, value)| once.get(OsStr::new(name)) == Some(&value.into()));
        assert!(expected, "whatever the shell had: {once:?}");
    }
}
