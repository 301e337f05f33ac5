//! Other programs open as many connections as they can (T20).

use std::time::{Duration, Instant};

use ssod_testkit::{ChildProcess, Sandbox, TestUser};

use super::other_user::{endpoint_of, signed_in};
use super::{ALICE, BOB, REQUEST, python, run_python};

/// Opens connections, prints how many it has opened, and keeps them until it is killed.
const HOLD_CONNECTIONS: &str = r#"
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
time.sleep(300)
"#;

/// Starts a process of that user that holds idle connections to a port.
pub(crate) fn hold_connections(user: u32, port: u16, count: u32) -> ChildProcess {
    let holder =
        ChildProcess::start(&mut python(user, HOLD_CONNECTIONS, &[&port.to_string(), &count.to_string()]));
    let open: u32 = holder.next_line().parse().unwrap();
    assert!(open > count / 2, "{open} of {count}");
    holder
}

#[test]
fn thousands_of_idle_connections_of_others_do_not_affect_alice() {
    let sandbox = signed_in();
    let (url, token) = endpoint_of(&sandbox);
    // More connections than the daemon accepts in total.
    let _bob = hold_connections(BOB, sandbox.daemon().port(), 5_000);
    let _alice = hold_connections(ALICE, sandbox.daemon().port(), 600);
    for _ in 0..20 {
        let start = Instant::now();
        assert!(run_python(ALICE, REQUEST, &[&url, &token]).succeeded().starts_with("200"));
        // The daemon closes an idle connection after ten seconds, and no request may wait for that. Most of the
        // measured time is Python's start.
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    }
    assert_eq!(sandbox.ssod(&["credential-process", "adminUser"]).status, 0);
    assert_eq!(sandbox.ssod(&["status"]).status, 0);
}

#[test]
fn with_64_descriptors_the_control_socket_works_and_the_endpoint_recovers() {
    // With lifetimes of six seconds, the daemon renews all the time.
    let mut sandbox = Sandbox::with_lifetime("6s");
    sandbox.add_settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon_in_shell("ulimit -n 64; exec ssod-daemon");
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    let holder = hold_connections(0, sandbox.daemon().port(), 200);
    let renewed = sandbox.fake().successful_calls("CreateToken");
    for _ in 0..10 {
        assert_eq!(
            sandbox.ssod(&["credential-process", "adminUser"]).status,
            0,
            "{}",
            sandbox.daemon().log()
        );
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(
        sandbox.fake().successful_calls("CreateToken") > renewed + 1,
        "no descriptor is left for renewals"
    );
    drop(holder);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    sandbox.ssod(&["logout"]).succeeded();
}
