//! Somebody opens all the connections that there are (T20).

use std::time::{Duration, Instant};

use ssod_testkit::{Running, Sandbox, get_with};

use super::other_user::{endpoint_of, signed_in};
use super::{ALICE, ASK, BOB, python, run_python};

/// Opens so many connections, says how many it got, and keeps them until it is killed.
const HOARD: &str = r#"
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
kept, wanted = [], int(sys.argv[2])
for _ in range(wanted):
    connection = socket.socket()
    connection.settimeout(5)
    try:
        connection.connect(("127.0.0.1", int(sys.argv[1])))
        kept.append(connection)
    except OSError:
        pass
print(len(kept), flush=True)
time.sleep(60)
"#;

fn hoard(user: u32, sandbox: &Sandbox, count: u32) -> Running {
    let hoarder = Running::start(&mut python(user, HOARD, &[&sandbox.port.to_string(), &count.to_string()]));
    let got: u32 = hoarder.line().parse().unwrap();
    assert!(got > count / 2, "{got} of {count}");
    hoarder
}

#[test]
fn thousands_of_idle_connections_of_others_take_nothing_from_alice() {
    let sandbox = signed_in();
    let (url, token) = endpoint_of(&sandbox);
    // More than there is room for in all.
    let _bob = hoard(BOB, &sandbox, 5_000);
    let _herself = hoard(ALICE, &sandbox, 600);
    let begun = Instant::now();
    for _ in 0..20 {
        assert!(run_python(ALICE, ASK, &[&url, &token]).succeeded().starts_with("200"));
    }
    assert_eq!(sandbox.ssod(&["credential-process", "adminUser"]).status, 0);
    assert_eq!(sandbox.ssod(&["status"]).status, 0);
    // Most of it is Python's start; waiting for somebody's idle connection to end would take ten seconds each time.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn with_64_descriptors_the_loop_backs_off_and_recovers_and_the_control_socket_has_its_share() {
    // With lives of six seconds, renewals go on all the time.
    let mut sandbox = Sandbox::with_lives("6s");
    sandbox.settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(ssod_testkit::Person::ADMIN);
    sandbox.start_daemon_by("ulimit -n 64; exec ssod-daemon");
    sandbox.login(ssod_testkit::Person::ADMIN).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    let hoarder = hoard(0, &sandbox, 200);
    let renewed = sandbox.count("CreateToken");
    for _ in 0..10 {
        assert_eq!(sandbox.ssod(&["credential-process", "adminUser"]).status, 0, "{}", sandbox.daemon_log());
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(sandbox.count("CreateToken") > renewed + 1, "renewals find a descriptor");
    drop(hoarder);
    let token = std::fs::read_to_string(sandbox.home().join("run/ssod/tokens/profile-adminUser")).unwrap();
    let url = format!("http://127.0.0.1:{}/credentials/adminUser", sandbox.port);
    assert_eq!(get_with(&url, &[("authorization", &token)]).status, 200);
    sandbox.ssod(&["logout"]).succeeded();
}
