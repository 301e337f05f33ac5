//! Another network: what waits for an answer is tried again at once.

use std::process::Command;
use std::time::{Duration, Instant};

use ssod_testkit::{Person, Sandbox, run};

fn tries(sandbox: &Sandbox) -> usize {
    sandbox.daemon_log().matches("cannot fetch credentials").count()
}

#[test]
fn an_address_that_comes_ends_the_wait_for_an_answer() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(Person::ADMIN);
    // Without credentials in the cache the daemon wants some at once.
    sandbox.fault("fail", "GetRoleCredentials");
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    sandbox.daemon().kill();
    // In a network of its own, where nobody answers. It ends with the daemon.
    sandbox.start_daemon_by("exec unshare -n sh -c 'ip link set lo up && exec ssod-daemon'");
    sandbox.eventually_within(60, "a back-off of some seconds", || {
        sandbox.profile_status("adminUser")["trouble"]["retry_in"].as_u64().is_some_and(|left| left >= 8)
    });
    let tried = tries(&sandbox);
    let pid = sandbox.daemon().pid().to_string();
    let mut address = Command::new("/usr/bin/nsenter");
    run(address.args(["-t", &pid, "-n", "ip", "address", "add", "127.0.0.77/32", "dev", "lo"])).succeeded();
    let begun = Instant::now();
    sandbox.eventually("it is tried again", || tries(&sandbox) > tried);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
