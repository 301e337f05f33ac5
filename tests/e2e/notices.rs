//! The desktop notices: one before a session ends, and one after it has ended.

use std::fs;
use std::time::Duration;

use ssod_testkit::{ACCOUNT, ChildProcess, Sandbox, TestUser, wait_until};

/// The daemon shows the notice eight seconds after the sign-in, and the session ends twelve seconds later.
const SETTINGS: &str = "[refresh]\nkeep_fresh = \"all\"\n[login]\nsession_length = \"20s\"\n\
                        [notifications]\nbefore_expiry = \"12s\"\n";
const SECONDS_BEFORE: u64 = 12;

/// A session bus without a desktop, and a monitor that writes the notices to the file `messages`.
struct Desktop {
    address: String,
    _bus: ChildProcess,
    _monitor: ChildProcess,
}

impl Desktop {
    fn start(sandbox: &Sandbox) -> Self {
        let mut bus = sandbox.command("/usr/bin/dbus-daemon");
        let bus = ChildProcess::start(bus.args(["--session", "--nofork", "--print-address=1"]));
        let address = bus.next_line();
        let rule = "interface='org.freedesktop.Notifications',member='Notify'";
        let mut monitor = sandbox.command("/bin/sh");
        monitor.args(["-c", "exec dbus-monitor --address \"$1\" \"$2\" >messages", "sh", &address, rule]);
        let monitor = ChildProcess::start(&mut monitor);
        Self { address, _bus: bus, _monitor: monitor }
    }
}

/// The name of a session that would be markup, and that reverses the text behind it.
const HOSTILE: TestUser = TestUser { session: "<b>R&D</b>\u{202e}x", ..TestUser::ADMIN };

#[test]
fn a_name_in_a_notice_is_neither_markup_nor_changes_the_direction_of_writing() {
    let mut sandbox = Sandbox::new();
    let Desktop { address, .. } = &Desktop::start(&sandbox);
    let messages = sandbox.home().join("messages");
    sandbox.add_settings("[login]\nsession_length = \"20s\"\n[notifications]\nbefore_expiry = \"18s\"\n");
    let (session, start_url) = (HOSTILE.session, sandbox.fake().start_url());
    let session_block =
        format!("[sso-session {session}]\nsso_start_url = {start_url}\nsso_region = us-east-1\n");
    let keys = format!("ssod_session = {session}\nssod_account_id = {ACCOUNT}\nssod_role_name = AdminRole\n");
    sandbox.write_aws_config(&format!("{session_block}[profile {}]\n{keys}", HOSTILE.profile));
    sandbox.start_daemon_with(&[("DBUS_SESSION_BUS_ADDRESS", address)]);
    sandbox.login(HOSTILE).succeeded();
    let shown = || fs::read_to_string(&messages).unwrap_or_default();
    // A notice appears at half of the session's length at the earliest.
    wait_until("the notice is shown", || shown().contains("ends soon"));
    let shown = shown();
    assert!(shown.contains("run: ssod login &lt;b&gt;R&amp;D&lt;/b&gt;\u{fffd}x"), "{shown}");
    assert!(!shown.contains('\u{202e}'), "{shown}");
}

#[test]
fn the_end_of_a_session_is_announced_once_before_and_once_after() {
    let mut sandbox = Sandbox::with_lifetime("3s");
    let Desktop { address, .. } = &Desktop::start(&sandbox);
    let messages = sandbox.home().join("messages");
    let count = |text: &str| fs::read_to_string(&messages).unwrap_or_default().matches(text).count();
    sandbox.add_settings(SETTINGS);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon_with(&[("DBUS_SESSION_BUS_ADDRESS", address)]);
    sandbox.login(TestUser::ADMIN).succeeded();
    assert!(sandbox.daemon().status().sessions[0].ends_in.unwrap() > SECONDS_BEFORE);
    let soon = "Session \"sso-session-adminUser\" ends soon";
    let ended = "Session \"sso-session-adminUser\" has ended";
    wait_until("the first notice is shown", || count(soon) == 1);
    assert_eq!(count(ended), 0);
    // A restart repeats no notice.
    sandbox.daemon().kill();
    sandbox.start_daemon_with(&[("DBUS_SESSION_BUS_ADDRESS", address)]);
    sandbox.fake().end_sessions();
    wait_until("the second notice is shown", || count(ended) == 1);
    // Longer than the lifetime of a token: another failed renewal must not repeat the notice.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!((count(soon), count(ended)), (1, 1));
    assert!(fs::read_to_string(&messages).unwrap().contains("Run: ssod login sso-session-adminUser"));
}
