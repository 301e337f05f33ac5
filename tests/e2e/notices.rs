//! What a person is told on the desktop: once before the end, once when it has ended.

use std::fs;

use ssod_testkit::{Person, Running, Sandbox};

#[test]
fn a_session_that_is_about_to_end_and_one_that_has_ended_are_told_of_once() {
    let mut sandbox = Sandbox::with_lives("3s");
    let mut bus = sandbox.command("/usr/bin/dbus-daemon");
    let bus = Running::start(bus.args(["--session", "--nofork", "--print-address=1"]));
    let address = bus.line();
    let shown = sandbox.home().join("shown");
    let rule = "interface='org.freedesktop.Notifications',member='Notify'";
    let mut monitor = sandbox.command("/bin/sh");
    monitor.args(["-c", "exec dbus-monitor --address \"$1\" \"$2\" >shown", "sh", &address, rule]);
    let _monitor = Running::start(&mut monitor);
    let told = |what: &str| fs::read_to_string(&shown).unwrap_or_default().matches(what).count();
    sandbox.settings("[refresh]\nkeep_fresh = \"all\"\n[login]\nsession_length = \"8s\"\n[notifications]\nbefore_expiry = \"3s\"\n");
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon_with(&[("DBUS_SESSION_BUS_ADDRESS", &address)]);
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.status()["sessions"][0]["ends_in"].as_u64().map(|left| left > 5), Some(true));
    let soon = "Session \"sso-session-adminUser\" ends soon";
    let ended = "Session \"sso-session-adminUser\" has ended";
    sandbox.eventually("the warning is shown", || told(soon) == 1);
    assert_eq!(told(ended), 0);
    // A restart tells nothing twice.
    sandbox.daemon().kill();
    sandbox.start_daemon_with(&[("DBUS_SESSION_BUS_ADDRESS", &address)]);
    sandbox.tell_fake("end-session", &serde_json::json!({}));
    sandbox.eventually("the end is shown", || told(ended) == 1);
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!((told(soon), told(ended)), (1, 1));
    assert!(fs::read_to_string(&shown).unwrap().contains("Run: ssod login sso-session-adminUser"));
}
