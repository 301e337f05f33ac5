//! The daemon, AWS, or the machine stops for a while and continues.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use ssod_control::{SessionState, Trouble};
use ssod_testkit::{
    ChildProcess, FaultKind, Sandbox, TestUser, fastest_of, run, wait_until, wait_until_within,
};

/// Checks that the credentials have not expired.
fn assert_valid(credentials: &serde_json::Value) {
    let expiration: jiff::Timestamp = credentials["Expiration"].as_str().unwrap().parse().unwrap();
    assert!(expiration > jiff::Timestamp::now(), "{expiration}");
}

#[test]
fn after_a_stop_longer_than_the_lifetime_fresh_credentials_are_served_at_once() {
    let mut sandbox = Sandbox::with_lifetime("4s");
    sandbox.add_settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    for _ in 0..2 {
        sandbox.daemon().signal(Signal::STOP);
        // Longer than the lifetime.
        std::thread::sleep(Duration::from_secs(6));
        sandbox.daemon().signal(Signal::CONT);
        for _ in 0..20 {
            let answer = sandbox.daemon().credentials("adminUser");
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_valid(&answer.json());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
}

#[test]
fn a_hanging_aws_that_recovers_loses_no_sign_in() {
    let mut sandbox = Sandbox::with_lifetime("4s");
    sandbox.add_settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    let status = |sandbox: &Sandbox| sandbox.daemon().credentials("adminUser").status;
    assert_eq!(status(&sandbox), 200);
    sandbox.fake().signal(Signal::STOP);
    wait_until("the credentials have expired", || status(&sandbox) == 503);
    let took = fastest_of(3, || {
        let start = Instant::now();
        assert_eq!(status(&sandbox), 503);
        start.elapsed()
    });
    assert!(took < Duration::from_secs(1), "longer than an SDK waits: {took:?}");
    sandbox.fake().signal(Signal::CONT);
    // Calls that hung are now answered, or time out after fifteen seconds.
    wait_until_within(Duration::from_mins(1), "credentials are served again", || status(&sandbox) == 200);
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
    assert_eq!(sandbox.fake().successful_calls("RegisterClient"), 1, "another sign-in was needed");
}

/// Waits for a back-off that lasts at least eight more seconds, and returns the number of failed attempts so far.
pub(crate) fn wait_for_long_back_off(sandbox: &Sandbox) -> usize {
    wait_until_within(Duration::from_mins(2), "the daemon backs off for some seconds", || {
        let trouble = sandbox.daemon().profile("adminUser").and_then(|profile| profile.trouble);
        matches!(trouble, Some(Trouble::Retrying { retry_in, .. }) if retry_in >= 8)
    });
    failed_attempts(sandbox)
}

pub(crate) fn failed_attempts(sandbox: &Sandbox) -> usize {
    sandbox.daemon().log().matches("cannot fetch credentials").count()
}

#[test]
fn a_resume_ends_the_back_off() {
    let mut sandbox = Sandbox::new();
    let mut bus = sandbox.command("/usr/bin/dbus-daemon");
    let bus = ChildProcess::start(bus.args(["--session", "--nofork", "--print-address=1"]));
    let address = bus.next_line();
    sandbox.add_settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(TestUser::ADMIN);
    sandbox.fake().add_fault(FaultKind::Fail, "GetRoleCredentials");
    sandbox.start_daemon_with(&[("DBUS_SYSTEM_BUS_ADDRESS", &address)]);
    sandbox.login(TestUser::ADMIN).succeeded();
    let before = wait_for_long_back_off(&sandbox);
    let announce_sleep = |starts: &str| {
        let interface = "org.freedesktop.login1.Manager.PrepareForSleep";
        let bus = format!("--bus={address}");
        let arguments = [&bus, "--type=signal", "/org/freedesktop/login1", interface, starts];
        run(sandbox.command("/usr/bin/dbus-send").args(arguments)).succeeded();
    };
    announce_sleep("boolean:true");
    announce_sleep("boolean:false");
    let start = Instant::now();
    wait_until("the daemon retries", || failed_attempts(&sandbox) > before);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}
