//! What stops for a while and goes on: the daemon, AWS, the machine's sleep.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use ssod_testkit::{Person, Running, Sandbox, run};

/// Nothing that is served is over by now.
fn assert_alive(body: &serde_json::Value) {
    let expiration: jiff::Timestamp = body["Expiration"].as_str().unwrap().parse().unwrap();
    assert!(expiration > jiff::Timestamp::now(), "{expiration}");
}

#[test]
fn after_a_stop_longer_than_a_roles_life_everything_is_fresh_at_once() {
    let mut sandbox = Sandbox::with_lives("4s");
    sandbox.settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    for _ in 0..2 {
        sandbox.daemon().signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(6));
        sandbox.daemon().signal(Signal::CONT);
        for _ in 0..20 {
            let answer = sandbox.credentials("adminUser");
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_alive(&answer.json());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(sandbox.status()["sessions"][0]["state"], "active");
}

#[test]
fn aws_that_hangs_and_comes_back_costs_nobody_a_sign_in() {
    let mut sandbox = Sandbox::with_lives("4s");
    sandbox.settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    let served = |sandbox: &Sandbox| sandbox.credentials("adminUser").status;
    assert_eq!(served(&sandbox), 200);
    sandbox.fake().signal(Signal::STOP);
    sandbox.eventually("what is over is not served", || served(&sandbox) == 503);
    let begun = Instant::now();
    assert_eq!(served(&sandbox), 503);
    assert!(begun.elapsed() < Duration::from_secs(1), "an SDK waits no longer: {:?}", begun.elapsed());
    sandbox.fake().signal(Signal::CONT);
    // Calls that hung are answered now, or given up after fifteen seconds.
    sandbox.eventually_within(20, "it is served again", || served(&sandbox) == 200);
    assert_eq!(sandbox.status()["sessions"][0]["state"], "active");
    assert_eq!(sandbox.count("RegisterClient"), 1, "nobody signed in again");
}

/// Waits until the daemon waits for AWS's answer, and will for some time; gives how often it has tried.
fn backing_off(sandbox: &Sandbox) -> usize {
    sandbox.eventually_within(60, "a back-off of some seconds", || {
        sandbox.profile_status("adminUser")["trouble"]["retry_in"].as_u64().is_some_and(|left| left >= 8)
    });
    tries(sandbox)
}

fn tries(sandbox: &Sandbox) -> usize {
    sandbox.daemon_log().matches("cannot fetch credentials").count()
}

#[test]
fn a_machine_that_wakes_waits_no_longer_for_an_answer() {
    let mut sandbox = Sandbox::new();
    let mut bus = sandbox.command("/usr/bin/dbus-daemon");
    let bus = Running::start(bus.args(["--session", "--nofork", "--print-address=1"]));
    let address = bus.line();
    sandbox.settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(Person::ADMIN);
    sandbox.fault("fail", "GetRoleCredentials");
    sandbox.start_daemon_with(&[("DBUS_SYSTEM_BUS_ADDRESS", &address)]);
    sandbox.login(Person::ADMIN).succeeded();
    let tried = backing_off(&sandbox);
    let announce = |asleep: &str| {
        let interface = "org.freedesktop.login1.Manager.PrepareForSleep";
        let bus = format!("--bus={address}");
        let arguments = [&bus, "--type=signal", "/org/freedesktop/login1", interface, asleep];
        run(sandbox.command("/usr/bin/dbus-send").args(arguments)).succeeded();
    };
    announce("boolean:true");
    announce("boolean:false");
    let begun = Instant::now();
    sandbox.eventually("it is tried again", || tries(&sandbox) > tried);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
