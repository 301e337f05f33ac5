//! Who got what is told by name, and nobody is told by a name that is another's (T3, T23).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use ssod_testkit::{Person, Sandbox, programs, run};

/// Connects, forks, and ends; the child asks over the connection that it inherited.
const HAND_OVER: &str = r#"
import os, socket, sys, time
control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
body = b'{"profile":"adminUser"}'
control.sendall(b"POST /v1/credentials HTTP/1.0\r\nHost: ssod\r\nssod-api: 1\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
answer = control.recv(65536)
open(sys.argv[2] + ".new", "wb").write(answer[:12])
os.rename(sys.argv[2] + ".new", sys.argv[2])
"#;

/// Stays connected, as SDKs do, long enough to be looked at.
const STAY: &str = r#"
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", "/credentials/adminUser", headers={"Authorization": sys.argv[2]})
print(connection.getresponse().status, flush=True)
time.sleep(3)
"#;

fn token(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.home().join("run/ssod/tokens/profile-adminUser")).unwrap()
}

#[test]
fn each_way_in_is_told_with_the_program_behind_it() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let asked = run(sandbox.command("/usr/bin/python3").args([
        "-c",
        STAY,
        &sandbox.port.to_string(),
        &token(&sandbox),
    ]));
    assert_eq!(asked.succeeded().trim(), "200");
    let by_tcp = sandbox.audited("the SDK", |line| line["via"] == "container");
    assert!(by_tcp["program"].as_str().unwrap().starts_with("python") && by_tcp["pid"].is_u64(), "{by_tcp}");
    assert_eq!(sandbox.profile_status("adminUser")["used_by"], by_tcp["program"]);

    // For credential_process it is whoever runs ssod.
    let script = sandbox.home().join("terraform");
    fs::copy("/bin/sh", &script).unwrap();
    let line = format!("{} credential-process adminUser >/dev/null; true", programs().join("ssod").display());
    run(sandbox.command(&script).args(["-c", &line])).succeeded();
    let by_process = sandbox.audited("credential_process", |line| line["via"] == "credential-process");
    assert_eq!((&by_process["program"], &by_process["outcome"]), (&"terraform".into(), &"served".into()));
    assert_eq!(by_process["path"], script.to_str().unwrap());

    let shown = sandbox.ssod(&["audit"]).succeeded();
    assert!(
        shown.lines().count() == 3 && shown.contains("terraform") && shown.starts_with("TIME"),
        "{shown}"
    );
    let json = sandbox.ssod(&["audit", "--json", "-n", "1"]).succeeded();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), by_process);
    let mode = fs::metadata(sandbox.state().join("audit.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_process_that_handed_its_connection_over_and_ended_is_nobody() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let (socket, answer) = (sandbox.home().join("run/ssod/control.sock"), sandbox.home().join("answer"));
    let arguments = ["-c", HAND_OVER, socket.to_str().unwrap(), answer.to_str().unwrap()];
    run(sandbox.command("/usr/bin/python3").args(arguments)).succeeded();
    sandbox.eventually("the child was answered", || answer.exists());
    assert_eq!(fs::read_to_string(answer).unwrap(), "HTTP/1.0 200");
    let line = sandbox.audited("the child's request", |line| line["via"] == "credential-process");
    assert_eq!((&line["program"], &line["path"]), (&Value::Null, &Value::Null), "{line}");
    assert!(sandbox.ssod(&["audit"]).succeeded().contains("gone"));
}

#[test]
fn a_program_whose_name_is_a_line_of_the_log_forges_none() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let name = "x\n{\"at\":\"2026-01-01T00:00:00Z\",\"outcome\":\"served\",\"profile\":\"rootUser\",\"via\":\"container\"}";
    let program = sandbox.home().join(name);
    fs::copy("/bin/sh", &program).unwrap();
    let line = format!("{} credential-process adminUser >/dev/null; true", programs().join("ssod").display());
    run(sandbox.command(&program).args(["-c", &line])).succeeded();
    let told = sandbox.audited("the program", |line| line["via"] == "credential-process");
    assert!(told["path"].as_str().unwrap().ends_with(name));
    let text = fs::read_to_string(sandbox.state().join("audit.jsonl")).unwrap();
    assert!(
        text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["profile"] == "adminUser"),
        "{text}"
    );
    let shown = sandbox.ssod(&["audit"]).succeeded();
    assert_eq!(shown.lines().count(), 2, "one line for people, too: {shown}");
}

#[test]
fn what_was_refused_a_thousand_times_is_two_lines() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    for _ in 0..1_000 {
        let url = format!("http://127.0.0.1:{}/credentials/adminUser", sandbox.port);
        assert_eq!(ssod_testkit::get_with(&url, &[("authorization", "wrong")]).status, 401);
    }
    sandbox.daemon().signal(rustix::process::Signal::TERM);
    assert!(sandbox.daemon().wait(std::time::Duration::from_secs(5)).is_some());
    let text = fs::read_to_string(sandbox.state().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[1]["repeated"], 999);
}
