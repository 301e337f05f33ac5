//! Processes of the user herself that have no token hold as many connections as they can (T32). A broken tool does so,
//! and so does a rootless container, whose processes have the user's uid.

use std::time::Duration;

use ssod_testkit::{ChildProcess, Sandbox, TestUser, try_get_with, wait_until_within};

/// Opens connections to the endpoint, sends requests without a token until the connection is full, and reads no answer.
/// A connection that is closed is replaced.
const NEVER_READ: &str = r#"
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
port, wanted = int(sys.argv[1]), int(sys.argv[2])
request = b"GET /credentials/invented HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port
def hold():
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.setblocking(False)
    connection.connect_ex(("127.0.0.1", port))
    return connection
held = [hold() for _ in range(wanted)]
begun, announced = time.time(), False
while True:
    for index, connection in enumerate(held):
        try:
            for _ in range(200):
                connection.sendall(request * 8)
        except BlockingIOError:
            pass
        except OSError:
            connection.close()
            held[index] = hold()
    if not announced and time.time() - begun > 3:
        announced = True
        print("holding", flush=True)
    time.sleep(0.05)
"#;

/// Opens connections to the control socket, and sends a head whose body never arrives. A connection that is closed is
/// replaced.
const NEVER_SEND_THE_BODY: &str = r#"
import resource, select, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
path, wanted = sys.argv[1], int(sys.argv[2])
def hold():
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(1)
        connection.connect(path)
        connection.sendall(b"POST /v1/use HTTP/1.1\r\nHost: ssod\r\nssod-api: 1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    except OSError:
        pass
    return connection
held = [hold() for _ in range(wanted)]
print("holding", flush=True)
while True:
    for connection in select.select(held, [], [], 0.2)[0]:
        connection.close()
        held[held.index(connection)] = hold()
"#;

/// A program is served within this time, most of which is the start of processes on a loaded machine. Without the
/// defence, none is served before it gives up.
const LIMIT: Duration = Duration::from_secs(6);

/// A connection whose request has not arrived yet may have to give way, and then SDKs and users try again.
fn assert_served(sandbox: &Sandbox, token: &str) {
    let url = sandbox.daemon().credentials_url("adminUser");
    for _ in 0..10 {
        wait_until_within(LIMIT, "a program gets its credentials", || {
            try_get_with(&url, &[("authorization", token)]).is_ok_and(|reply| reply.status == 200)
        });
        wait_until_within(LIMIT, "the control socket answers", || sandbox.ssod(&["status"]).status == 0);
    }
}

#[test]
fn answers_that_are_not_read_and_bodies_that_do_not_arrive_keep_no_caller_waiting() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    // With these descriptors, the user has 108 slots at the endpoint and 54 at the control socket.
    sandbox.start_daemon_in_shell("ulimit -n 256; SSOD_LOG=info exec ssod-daemon");
    sandbox.login(TestUser::ADMIN).succeeded();
    let token = sandbox.daemon().token("adminUser");
    let (port, socket) = (sandbox.daemon().port().to_string(), sandbox.daemon().socket());
    let run = |program: &str, arguments: &[&str]| {
        let mut command = sandbox.command("/usr/bin/python3");
        let process = ChildProcess::start(command.args(["-c", program]).args(arguments));
        assert_eq!(process.next_line(), "holding");
        process
    };
    let unread = run(NEVER_READ, &[&port, "150"]);
    assert_served(&sandbox, &token);
    drop(unread);
    let _bodies = run(NEVER_SEND_THE_BODY, &[socket.to_str().unwrap(), "258"]);
    assert_served(&sandbox, &token);
}
