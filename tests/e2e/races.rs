//! Two daemons at one moment, and files that stay closed whatever the umask (T16).

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::Duration;

use ssod_testkit::{Person, Running, Sandbox, leaks, programs};

#[test]
fn of_two_daemons_started_at_once_one_wins_a_hundred_times() {
    let sandbox = Sandbox::new();
    let start = || {
        Running::start(sandbox.command(programs().join("ssod-daemon")).stderr(std::process::Stdio::null()))
    };
    for round in 0..100 {
        let mut two = [start(), start()];
        let mut lost = None;
        for _ in 0..2_000 {
            lost = two.iter_mut().position(|daemon| daemon.wait(Duration::from_millis(5)).is_some());
            if lost.is_some() {
                break;
            }
        }
        let winner = 1 - lost.unwrap_or_else(|| panic!("round {round}: both run"));
        let answers = || sandbox.ssod(&["status"]).status == 0;
        assert!(answers(), "round {round}: the winner answers");
        assert_eq!(two[winner].wait(Duration::ZERO), None, "round {round}: and goes on");
        two[winner].kill();
    }
}

#[test]
fn whatever_the_umask_only_the_owner_gets_at_what_ssod_keeps() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon_by("umask 000; exec ssod-daemon");
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    let cache = sandbox.state().join("vault/role-credentials.sealed");
    sandbox.eventually("the cache is written", || fs::metadata(&cache).is_ok_and(|facts| facts.len() > 200));
    let mut seen = Vec::new();
    for folder in [sandbox.state(), sandbox.home().join("run/ssod")] {
        for path in leaks::files_below(&folder).into_iter().chain([folder]) {
            let facts = path.symlink_metadata().unwrap();
            assert_eq!(facts.permissions().mode() & 0o077, 0, "{}", path.display());
            seen.extend(facts.file_type().is_socket().then_some(path));
        }
    }
    assert_eq!(seen.len(), 1, "the control socket is among them");
}
