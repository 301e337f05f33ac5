//! Two daemons that start at the same time, and the modes of ssod's files under any umask (T16).

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ssod_testkit::{ChildProcess, Sandbox, TestUser, leaks, wait_until};

const ROUNDS: usize = 100;

#[test]
fn of_two_simultaneous_daemons_exactly_one_runs() {
    let sandbox = Sandbox::new();
    let start = || ChildProcess::start(sandbox.daemon_command().stderr(Stdio::null()));
    for round in 0..ROUNDS {
        let daemons = [start(), start()];
        let deadline = Instant::now() + Duration::from_secs(30);
        let has_ended = |daemon: &ChildProcess| daemon.wait(Duration::from_millis(5)).is_some();
        let loser = std::iter::repeat_with(|| daemons.iter().position(has_ended))
            .take_while(|_| Instant::now() < deadline)
            .find_map(|ended| ended);
        let winner = &daemons[1 - loser.unwrap_or_else(|| panic!("round {round}: both daemons run"))];
        // Otherwise the command would start a third daemon, which could win the next round.
        let socket = sandbox.daemon().socket();
        wait_until("the winner listens", || UnixStream::connect(&socket).is_ok());
        assert_eq!(sandbox.ssod(&["status"]).status, 0, "round {round}: the winner does not answer");
        assert_eq!(winner.wait(Duration::ZERO), None, "round {round}: the winner has ended");
        winner.kill();
    }
}

#[test]
fn files_are_accessible_only_to_their_owner_under_any_umask() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon_in_shell("umask 000; exec ssod-daemon");
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    sandbox.daemon().wait_until_credentials_are_saved();
    let mut sockets = 0;
    for folder in [sandbox.daemon().state_folder(), sandbox.daemon().runtime_folder()] {
        for path in leaks::files_below(&folder).into_iter().chain([folder]) {
            let facts = path.symlink_metadata().unwrap();
            assert_eq!(facts.permissions().mode() & 0o077, 0, "{}", path.display());
            sockets += usize::from(facts.file_type().is_socket());
        }
    }
    assert_eq!(sockets, 1, "the control socket was not checked");
}
