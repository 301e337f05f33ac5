//! Runs the daemon with and without a service manager.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use ssod_control::{SessionState, systemd_program};
use ssod_testkit::{ChildProcess, Sandbox, TestUser, programs, run, try_get_with, wait_until};

use crate::clients::interop_file;

fn kill(pid: &str) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

fn terminate(pid: &str) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::TERM).unwrap();
}

/// Returns a sandbox with a signed-in user, and a process that holds the sockets. It runs the programs in turn, each
/// when the previous program has ended, and prints their process ids.
fn with_socket_holder(programs: &[&Path]) -> (Sandbox, ChildProcess) {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    // The first program writes the vault, because it may be an earlier version, which reads no later format.
    sandbox.start_daemon_in_shell(&format!("exec {}", programs[0].display()));
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    sandbox.daemon().terminate();
    let log = fs::OpenOptions::new().append(true).open(sandbox.home().join("daemon.log")).unwrap();
    let mut holder = sandbox.command("/usr/bin/python3");
    holder
        .arg(interop_file("socket_holder.py"))
        .arg(sandbox.daemon().port().to_string())
        .arg(sandbox.daemon().socket())
        .args(programs)
        .env("SSOD_LOG", "debug")
        .stderr(log);
    let holder = ChildProcess::start(&mut holder);
    (sandbox, holder)
}

/// Runs the closure while eight clients send requests. No connection may be refused, and no answer may be wrong. The
/// closure gets the number of answers so far.
fn while_clients_send_requests(sandbox: &Sandbox, run: impl FnOnce(&AtomicUsize)) {
    struct SetOnDrop<'a>(&'a AtomicBool);
    impl Drop for SetOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let token = sandbox.daemon().token("adminUser");
    let url = sandbox.daemon().credentials_url("adminUser");
    let (stop, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // The clients must also end after a panic, or the test would hang.
        let _stop = SetOnDrop(&stop);
        for _ in 0..8 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let connection = TcpStream::connect(("127.0.0.1", sandbox.daemon().port()));
                    assert!(connection.is_ok(), "{connection:?}");
                    drop(connection);
                    // An accepted connection ends with the process, so an error is allowed here.
                    if let Ok(reply) = try_get_with(&url, &[("authorization", &token)]) {
                        assert_eq!(reply.status, 200, "{}", reply.body);
                        answers.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        run(&answers);
    });
}

fn wait_for_answers(answers: &AtomicUsize, count: usize) {
    let goal = answers.load(Ordering::SeqCst) + count;
    wait_until("the clients have more answers", || answers.load(Ordering::SeqCst) >= goal);
}

#[test]
fn no_connection_is_refused_while_the_daemon_is_killed_under_load() {
    let daemon = programs().join("ssod-daemon");
    let (sandbox, holder) = with_socket_holder(&[&daemon]);
    let mut pid = holder.next_line();
    wait_until("the daemon answers", || sandbox.ssod(&["status"]).status == 0);
    while_clients_send_requests(&sandbox, |answers| {
        for _ in 0..5 {
            wait_for_answers(answers, 20);
            kill(&pid);
            pid = holder.next_line();
        }
        wait_for_answers(answers, 20);
    });
    // After a graceful stop, the process that holds the socket keeps it.
    terminate(&pid);
    pid = holder.next_line();
    assert!(sandbox.daemon().socket().exists());
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    assert_eq!(sandbox.daemon().problems(), [""; 0]);
    drop(holder);
    kill(&pid);
}

#[test]
fn no_connection_is_refused_during_an_upgrade_and_the_old_vault_opens() {
    let previous = std::env::var_os("SSOD_TEST_PREVIOUS_DAEMON").map(PathBuf::from);
    let previous =
        previous.expect("SSOD_TEST_PREVIOUS_DAEMON is not set: run these tests with cargo xtask test");
    let current = programs().join("ssod-daemon");
    let (sandbox, holder) = with_socket_holder(&[&previous, &current]);
    let old = holder.next_line();
    wait_until("the old daemon answers", || sandbox.ssod(&["status"]).status == 0);
    let executable = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert_eq!(executable(&old), previous.canonicalize().unwrap());
    let mut new = String::new();
    while_clients_send_requests(&sandbox, |answers| {
        wait_for_answers(answers, 25);
        // As `systemctl restart` does.
        terminate(&old);
        new = holder.next_line();
        wait_for_answers(answers, 25);
    });
    assert_eq!(executable(&new), current.canonicalize().unwrap());
    let status = sandbox.daemon().status();
    assert_eq!((status.sessions[0].state, status.daemon.problems), (SessionState::Active, vec![]));
    assert_eq!(sandbox.fake().successful_calls("RegisterClient"), 1, "another sign-in was needed");
    drop(holder);
    kill(&new);
}

#[test]
fn the_service_manager_gets_readiness_status_and_watchdog_pings() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let path = sandbox.home().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let wait_for = |wanted: &str| {
        let mut message = [0; 4096];
        loop {
            let length = manager.recv(&mut message).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
            if String::from_utf8_lossy(&message[..length]).contains(wanted) {
                return;
            }
        }
    };
    sandbox.start_daemon_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1500000")]);
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    sandbox.login(TestUser::ADMIN).succeeded();
    wait_for("STATUS=1 of 1 sessions signed in, 1 profiles");
    wait_for("WATCHDOG=1");
    sandbox.daemon().signal(Signal::TERM);
    wait_for("STOPPING=1");
}

#[test]
fn metrics_agree_with_the_status() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    let mut socket = UnixStream::connect(sandbox.daemon().socket()).unwrap();
    socket.write_all(b"GET /v1/metrics HTTP/1.0\r\nssod-api: 1\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    let status = sandbox.daemon().status();
    let version = status.daemon.version;
    for line in [
        format!("ssod_build_info{{version=\"{version}\"}} 1"),
        "ssod_session_state{session=\"sso-session-adminUser\",state=\"active\"} 1".to_owned(),
        "ssod_profile_state{profile=\"adminUser\",state=\"ready\"} 1".to_owned(),
    ] {
        assert!(answer.lines().any(|one| one == line), "{line} is not in\n{answer}");
    }
}

/// The answers of a daemon of another version: with fields that this client does not know, and without newer ones.
const OTHER_DAEMON: [(&str, &str); 2] = [
    ("/v1/daemon", r#"{"version":"0.0.9","pid":7,"port":7746,"config_file":"CONFIG","tomorrow":[1]}"#),
    (
        "/v1/status",
        r#"{"daemon":{"version":"0.0.9","pid":7,"port":7746},"sessions":[{"name":"work","state":"active",
        "start_url":"https://x.awsapps.com/start","region":"us-east-1","remaining":3600,"tomorrow":{}}],"profiles":[]}"#,
    ),
];

#[test]
fn the_client_reports_a_daemon_of_another_version_and_works_with_it() {
    let sandbox = Sandbox::new();
    let path = sandbox.daemon().socket();
    fs::DirBuilder::new().mode(0o700).create(path.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let config = sandbox.aws_config().display().to_string();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let length = connection.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..length]);
            let answer = OTHER_DAEMON.iter().find(|(route, _)| head.contains(&format!("GET {route} ")));
            if let Some((_, body)) = answer {
                let body = body.replace("CONFIG", &config);
                let head = "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\nssod-api: 1\r\n\r\n";
                let _ = connection.write_all(format!("{head}{body}").as_bytes());
            }
        }
    });
    let status = sandbox.ssod(&["status"]);
    assert!(status.stdout.contains("work") && status.stdout.contains("active"), "{status:?}");
    assert!(status.stderr.contains("has version 0.0.9 (this client: "), "{status:?}");
    assert_eq!(status.status, 0);
}

/// Writes the systemd units as an installation does, but with the daemon of this build.
fn write_units(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("systemd");
    let daemon = programs().join("ssod-daemon");
    let service = fs::read_to_string(root.join("ssod.service")).unwrap();
    let service = service.replace("/usr/bin/ssod-daemon", &systemd_program(&daemon).unwrap());
    fs::write(folder.join("ssod.service"), service).unwrap();
    fs::copy(root.join("ssod.socket"), folder.join("ssod.socket")).unwrap();
}

#[test]
fn the_systemd_units_are_valid_and_hardened() {
    let folder = tempfile::tempdir().unwrap();
    write_units(folder.path());
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).env("XDG_RUNTIME_DIR", folder.path()).current_dir(folder.path());
        run(&mut command)
    };
    let verified = analyze(&["verify", "--man=no", "--user", "./ssod.service", "./ssod.socket"]);
    assert_eq!(
        (verified.status, verified.stderr.as_str()),
        (0, ""),
        "systemd-analyze also exits with 0 for invalid units"
    );
    // The threshold is in tenths. A unit without hardening has a score of 9.6. Under a user manager, further options
    // need a user namespace.
    let score = analyze(&["security", "--offline=true", "--threshold=62", "./ssod.service"]);
    assert_eq!(score.status, 0, "{}{}", score.stdout, score.stderr);
}

#[test]
fn a_unit_starts_a_program_of_any_path_that_systemd_accepts() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["plain", "a b", "50%", "$HOME ${HOME}", "a;b #c", "é", "%h%%"] {
        let program = folder.path().join(name);
        fs::copy("/bin/true", &program).unwrap();
        let unit = folder.path().join("test.service");
        fs::write(&unit, format!("[Service]\nExecStart={}\n", systemd_program(&program).unwrap())).unwrap();
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no", "--user"]).arg(&unit).env("XDG_RUNTIME_DIR", folder.path());
        // systemd-analyze checks that the program exists, and also exits with 0 for invalid units.
        assert_eq!(run(&mut verify).stderr, "", "{name}");
    }
    for name in ["it's", "\"", "\\"] {
        assert_eq!(systemd_program(&folder.path().join(name)), None, "{name}");
    }
}

#[test]
fn the_launchd_agent_has_only_valid_keys() {
    let check = r#"
import plistlib, sys
known = {"Label": str, "ProgramArguments": list, "RunAtLoad": bool, "KeepAlive": dict, "ThrottleInterval": int,
         "ProcessType": str, "Umask": int, "StandardErrorPath": str, "Sockets": dict}
sockets = {"endpoint": {"SockNodeName": "127.0.0.1", "SockServiceName": "7746", "SockType": "stream"},
           "control": {"SockPathName": "/tmp/ssod-control.sock", "SockPathMode": 0o600}}
agent = plistlib.load(open(sys.argv[1], "rb"))
for key, value in agent.items():
    assert type(value) is known[key], key
assert agent["KeepAlive"] == {"SuccessfulExit": False} and agent["Umask"] == 0o077
assert agent["Sockets"] == sockets
assert all(type(one) is str for one in agent["ProgramArguments"])
"#;
    let agent = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("launchd/ssod.plist");
    run(Command::new("/usr/bin/python3").args(["-c", check]).arg(agent)).succeeded();
}

#[test]
fn without_a_service_manager_the_daemon_runs_detached() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.ssod(&["service", "stop"]).succeeded();
    assert!(sandbox.ssod(&["service", "status"]).failed_with(4).contains("is not running"));
    assert!(sandbox.ssod(&["service", "install"]).succeeded().contains("no service manager"));
    let started = sandbox.ssod(&["service", "start"]).succeeded();
    let status = sandbox.ssod(&["service", "status"]).succeeded();
    let pid = sandbox.daemon().status().daemon.pid.to_string();
    assert!(started.contains(&pid) && status.contains(&pid), "{started}{status}");
    assert!(sandbox.ssod(&["service", "logs"]).succeeded().contains("ssod is ready"));
    assert_eq!(sandbox.ssod(&["service", "start"]).succeeded(), started, "another daemon was started");
    assert_eq!(sandbox.ssod(&["service", "stop"]).succeeded(), "Stopped.\n");
    assert!(sandbox.ssod(&["service", "status"]).failed_with(4).contains("is not running"));
}

#[test]
fn completions_offer_profiles_and_man_pages_describe_commands() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let script = r#"
eval "$(ssod completions bash)"
COMP_WORDS=(ssod exec adm) COMP_CWORD=2 COMP_TYPE=9
complete -p ssod | sed 's/.*-F \([^ ]*\).*/\1/' >function
"$(cat function)" ssod adm exec
printf '%s\n' "${COMPREPLY[@]}"
"#;
    let completions = run(sandbox.command("/bin/bash").args(["-c", script])).succeeded();
    assert!(completions.lines().any(|line| line.trim() == "adminUser"), "{completions}");
    for shell in ["zsh", "fish"] {
        assert!(sandbox.ssod(&["completions", shell]).succeeded().contains("SSOD_COMPLETE"), "{shell}");
    }
    assert!(sandbox.ssod(&["completions", "tcsh"]).failed_with(2).contains("no completions for tcsh"));
    let folder = sandbox.home().join("man");
    sandbox.ssod(&["man", folder.to_str().unwrap()]).succeeded();
    let page = fs::read_to_string(folder.join("ssod-login.1")).unwrap();
    assert!(page.contains(".TH ssod-login 1") && folder.join("ssod.1").exists(), "{page}");
}
