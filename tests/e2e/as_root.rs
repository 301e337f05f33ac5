//! What needs root to be shown: other users, namespaces, the daemon's memory. `cargo xtask test --no-root` leaves these
//! out and lists them as not proved.
//!
//! A user needs no line in passwd to be another user, so none is made and none must be removed.

mod booted;
mod disk;
mod exhaustion;
mod isolation;
mod memory;
mod network;
mod other_user;
mod port;

use std::os::unix::process::CommandExt;
use std::process::Command;

use ssod_testkit::{Finished, run};

/// Who owns the daemon.
pub(crate) const ALICE: u32 = 64_501;
/// Somebody else on the same machine.
pub(crate) const BOB: u32 = 64_502;

/// A Python program as that user, in an empty environment.
pub(crate) fn python(user: u32, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", program]).args(arguments).env_clear().current_dir("/").uid(user).gid(user);
    command
}

/// Runs it to its end.
pub(crate) fn run_python(user: u32, program: &str, arguments: &[&str]) -> Finished {
    run(&mut python(user, program, arguments))
}

/// Asks the endpoint with a token: prints the status and the body.
pub(crate) const ASK: &str = r#"
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
