//! After a change of the network, the daemon retries at once.

use std::process::Command;
use std::time::{Duration, Instant};

use ssod_testkit::{FaultKind, Sandbox, TestUser, run, wait_until};

use crate::stops::{failed_attempts, wait_for_long_back_off};

#[test]
fn a_new_network_address_ends_the_back_off() {
    let mut sandbox = Sandbox::new();
    sandbox.add_settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(TestUser::ADMIN);
    // If no credentials are cached, the daemon fetches them when it starts.
    sandbox.fake().add_fault(FaultKind::Fail, "GetRoleCredentials");
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox.daemon().kill();
    // The daemon has its own network namespace, from which AWS cannot be reached, and which ends with the daemon.
    sandbox.start_daemon_in_shell("exec unshare -n sh -c 'ip link set lo up && exec ssod-daemon'");
    let before = wait_for_long_back_off(&sandbox);
    let pid = sandbox.daemon().pid().to_string();
    let mut address = Command::new("/usr/bin/nsenter");
    run(address.args(["-t", &pid, "-n", "ip", "address", "add", "127.0.0.77/32", "dev", "lo"])).succeeded();
    let start = Instant::now();
    wait_until("the daemon retries", || failed_attempts(&sandbox) > before);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}
