//! The desktop notices: one before a session ends, and one after it has ended.

use std::fs;
use std::time::Duration;

use ssod_testkit::{ChildProcess, Sandbox, TestUser, wait_until};

/// The daemon shows the notice eight seconds after the sign-in, and the session ends twelve seconds later.
const SETTINGS: &str = "[refresh]\nkeep_fresh = \"all\"\n[login]\nsession_length = \"20s\"\n\
                        [notifications]\nbefore_expiry = \"12s\"\n";
const SECONDS_BEFORE: u64 = 12;

#[test]
fn the_end_of_a_session_is_announced_once_before_and_once_after() {
    let mut sandbox = Sandbox::with_lifetime("3s");
    let mut bus = sandbox.command("/usr/bin/dbus-daemon");
    let bus = ChildProcess::start(bus.args(["--session", "--nofork", "--print-address=1"]));
    let address = bus.next_line();
    let messages = sandbox.home().join("messages");
    let rule = "interface='org.freedesktop.Notifications',member='Notify'";
    let mut monitor = sandbox.command("/bin/sh");
    monitor.args(["-c", "exec dbus-monitor --address \"$1\" \"$2\" >messages", "sh", &address, rule]);
    let _monitor = ChildProcess::start(&mut monitor);
    let count = |text: &str| fs::read_to_string(&messages).unwrap_or_default().matches(text).count();
    sandbox.add_settings(SETTINGS);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon_with(&[("DBUS_SESSION_BUS_ADDRESS", &address)]);
    sandbox.login(TestUser::ADMIN).succeeded();
    assert!(sandbox.daemon().status().sessions[0].ends_in.unwrap() > SECONDS_BEFORE);
    let soon = "Session \"sso-session-adminUser\" ends soon";
    let ended = "Session \"sso-session-adminUser\" has ended";
    wait_until("the first notice is shown", || count(soon) == 1);
    assert_eq!(count(ended), 0);
    // A restart repeats no notice.
    sandbox.daemon().kill();
    sandbox.start_daemon_with(&[("DBUS_SESSION_BUS_ADDRESS", &address)]);
    sandbox.fake().end_sessions();
    wait_until("the second notice is shown", || count(ended) == 1);
    // Longer than the lifetime of a token: another failed renewal must not repeat the notice.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!((count(soon), count(ended)), (1, 1));
    assert!(fs::read_to_string(&messages).unwrap().contains("Run: ssod login sso-session-adminUser"));
}
