//! The tests that need root: other users, namespaces, the daemon's memory. `cargo xtask test --no-root` skips them and
//! lists them as not proved.
//!
//! A process can have a uid that is not in `/etc/passwd`, so these tests create no users.

mod audit_flood;
mod booted;
mod callback;
mod daemon_environment;
mod destinations;
mod disk;
mod exhaustion;
mod isolation;
mod memory;
mod network;
mod other_home;
mod other_listener;
mod other_user;
mod port;
mod read_only;
mod settings_owner;
mod stalled_files;

use std::os::unix::process::CommandExt;
use std::process::Command;

use ssod_testkit::{CommandOutput, run};

/// The owner of the daemon.
pub(crate) const ALICE: u32 = 64_501;
/// Another user of the same machine.
pub(crate) const BOB: u32 = 64_502;

/// Returns a command that runs a Python program as this user, in an empty environment.
pub(crate) fn python(user: u32, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", program]).args(arguments).env_clear().current_dir("/").uid(user).gid(user);
    command
}

/// Runs a Python program as this user and waits for its end.
pub(crate) fn run_python(user: u32, program: &str, arguments: &[&str]) -> CommandOutput {
    run(&mut python(user, program, arguments))
}

/// Sends a request with a token to a URL, and prints the status and the body.
pub(crate) const REQUEST: &str = r#"
import sys, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.argv[2]})
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
    print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
except OSError as error:
    print("no answer:", error)
"#;
