//! The daemon under a service manager, and without one.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use ssod_testkit::{Person, Running, Sandbox, get_with, programs, run};

use super::clients::program;

fn kill(pid: &str) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// Somebody is signed in, and a daemon runs whose sockets are held by somebody else; `programs` run in turn.
fn held(programs: &[&Path]) -> (Sandbox, Running) {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    sandbox.daemon().signal(Signal::TERM);
    sandbox.daemon().wait(Duration::from_secs(5));
    let log = fs::OpenOptions::new().append(true).open(sandbox.home().join("daemon.log")).unwrap();
    let mut holder = sandbox.command("/usr/bin/python3");
    holder
        .arg(program("socket_holder.py"))
        .arg(sandbox.port.to_string())
        .arg(sandbox.home().join("run/ssod/control.sock"))
        .args(programs)
        .env("SSOD_LOG", "debug")
        .stderr(log);
    let holder = Running::start(&mut holder);
    (sandbox, holder)
}

/// Eight clients ask all the time while that happens; gives how many answers there were. None is refused, and none is wrong.
fn while_clients_ask(sandbox: &Sandbox, happens: impl FnOnce()) -> usize {
    let token = fs::read_to_string(sandbox.home().join("run/ssod/tokens/profile-adminUser")).unwrap();
    let url = format!("http://127.0.0.1:{}/credentials/adminUser", sandbox.port);
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    // A connection that was accepted dies with the process; what may not be is one that is refused.
                    let connection = std::net::TcpStream::connect(("127.0.0.1", sandbox.port));
                    assert!(connection.is_ok(), "{connection:?}");
                    drop(connection);
                    if let Ok(reply) =
                        std::panic::catch_unwind(|| get_with(&url, &[("authorization", &token)]))
                    {
                        assert_eq!(reply.status, 200, "{}", reply.body);
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        happens();
        over.store(true, Ordering::SeqCst);
    });
    answered.into_inner()
}

#[test]
fn a_daemon_that_is_killed_under_load_refuses_no_connection() {
    let daemon = programs().join("ssod-daemon");
    let (sandbox, holder) = held(&[&daemon]);
    let first = holder.line();
    sandbox.eventually("it answers", || sandbox.ssod(&["status"]).status == 0);
    let mut pid = first;
    let answered = while_clients_ask(&sandbox, || {
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(400));
            kill(&pid);
            pid = holder.line();
        }
        std::thread::sleep(Duration::from_millis(400));
    });
    assert!(answered > 100, "{answered} answers");
    // A stop in order leaves the socket to whoever holds it.
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::TERM).unwrap();
    pid = holder.line();
    assert!(sandbox.home().join("run/ssod/control.sock").exists());
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    assert_eq!(sandbox.status()["daemon"]["problems"].as_array().unwrap().len(), 0);
    drop(holder);
    kill(&pid);
}

#[test]
fn an_upgrade_under_load_refuses_no_connection_and_opens_the_old_vault() {
    let previous = std::env::var_os("SSOD_TEST_PREVIOUS_DAEMON").map(PathBuf::from);
    let previous =
        previous.expect("SSOD_TEST_PREVIOUS_DAEMON is not set: run these tests by cargo xtask test");
    let current = programs().join("ssod-daemon");
    let (sandbox, holder) = held(&[&previous, &current]);
    let old = holder.line();
    sandbox.eventually("it answers", || sandbox.ssod(&["status"]).status == 0);
    let program = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert_eq!(program(&old), previous.canonicalize().unwrap());
    let mut new = String::new();
    let answered = while_clients_ask(&sandbox, || {
        std::thread::sleep(Duration::from_millis(500));
        // As `systemctl restart` does.
        kill_process(Pid::from_raw(old.parse().unwrap()).unwrap(), Signal::TERM).unwrap();
        new = holder.line();
        std::thread::sleep(Duration::from_secs(1));
    });
    assert!(answered > 50, "{answered} answers");
    assert_eq!(program(&new), current.canonicalize().unwrap());
    let status = sandbox.status();
    assert_eq!(
        (&status["sessions"][0]["state"], &status["daemon"]["problems"]),
        (&json!("active"), &json!([]))
    );
    assert_eq!(sandbox.count("RegisterClient"), 1, "nobody signed in again");
    drop(holder);
    kill(&new);
}

#[test]
fn a_service_manager_is_told_that_ssod_is_ready_how_it_stands_and_that_its_engine_lives() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    let path = sandbox.home().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let told = |wanted: &str| {
        let mut message = [0; 4096];
        loop {
            let length = manager.recv(&mut message).unwrap_or_else(|error| panic!("never {wanted}: {error}"));
            if String::from_utf8_lossy(&message[..length]).contains(wanted) {
                return;
            }
        }
    };
    sandbox.start_daemon_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1500000")]);
    told("READY=1");
    told("WATCHDOG=1");
    sandbox.login(Person::ADMIN).succeeded();
    told("STATUS=1 of 1 sessions signed in, 1 profiles");
    told("WATCHDOG=1");
    sandbox.daemon().signal(Signal::TERM);
    told("STOPPING=1");
}

#[test]
fn prometheus_reads_what_status_shows() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    let mut socket = UnixStream::connect(sandbox.home().join("run/ssod/control.sock")).unwrap();
    socket.write_all(b"GET /v1/metrics HTTP/1.0\r\nssod-api: 1\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    let status = sandbox.status();
    let version = status["daemon"]["version"].as_str().unwrap();
    for line in [
        format!("ssod_build_info{{version=\"{version}\"}} 1"),
        "ssod_session_state{session=\"sso-session-adminUser\",state=\"active\"} 1".to_owned(),
        "ssod_profile_state{profile=\"adminUser\",state=\"ready\"} 1".to_owned(),
    ] {
        assert!(answer.lines().any(|one| one == line), "{line} is not in\n{answer}");
    }
}

/// A daemon of another version, as recorded: fields that this client does not know, and without those that came later.
const OTHER_DAEMON: [(&str, &str); 2] = [
    ("/v1/daemon", r#"{"version":"0.0.9","pid":7,"port":7746,"config_file":"CONFIG","tomorrow":[1]}"#),
    (
        "/v1/status",
        r#"{"daemon":{"version":"0.0.9","pid":7,"port":7746},"sessions":[{"name":"work","state":"active",
        "start_url":"https://x.awsapps.com/start","region":"us-east-1","remaining":3600,"tomorrow":{}}],"profiles":[]}"#,
    ),
];

#[test]
fn a_client_says_that_the_daemon_is_of_another_version_and_works_all_the_same() {
    let sandbox = Sandbox::new();
    let path = sandbox.home().join("run/ssod/control.sock");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
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

/// The unit as it is installed, with this build's program.
fn unit(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("systemd");
    let daemon = programs().join("ssod-daemon");
    let service = fs::read_to_string(root.join("ssod.service")).unwrap();
    let service = service.replace("/usr/bin/ssod-daemon", daemon.to_str().unwrap());
    fs::write(folder.join("ssod.service"), service).unwrap();
    fs::copy(root.join("ssod.socket"), folder.join("ssod.socket")).unwrap();
}

#[test]
fn the_units_are_sound_and_hardened() {
    let folder = tempfile::tempdir().unwrap();
    unit(folder.path());
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).env("XDG_RUNTIME_DIR", folder.path()).current_dir(folder.path());
        run(&mut command)
    };
    let verified = analyze(&["verify", "--man=no", "--user", "./ssod.service", "./ssod.socket"]);
    assert_eq!((verified.status, verified.stderr.as_str()), (0, ""), "it exits with 0 on bad units, too");
    // Tenths. A bare unit has 9.6 there; what would bring it further down needs a user namespace under a user manager.
    let score = analyze(&["security", "--offline=true", "--threshold=62", "./ssod.service"]);
    assert_eq!(score.status, 0, "{}{}", score.stdout, score.stderr);
}

#[test]
fn the_agents_keys_are_those_that_launchd_knows() {
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
fn where_there_is_no_service_manager_the_daemon_runs_detached() {
    let sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.ssod(&["service", "stop"]).succeeded();
    assert!(sandbox.ssod(&["service", "status"]).failed_with(4).contains("is not running"));
    assert!(sandbox.ssod(&["service", "install"]).succeeded().contains("no service manager"));
    let started = sandbox.ssod(&["service", "start"]).succeeded();
    let status = sandbox.ssod(&["service", "status"]).succeeded();
    let pid = sandbox.status()["daemon"]["pid"].to_string();
    assert!(started.contains(&pid) && status.contains(&pid), "{started}{status}");
    assert!(sandbox.ssod(&["service", "logs"]).succeeded().contains("ssod is ready"));
    assert_eq!(sandbox.ssod(&["service", "start"]).succeeded(), started, "it runs already");
    assert_eq!(sandbox.ssod(&["service", "stop"]).succeeded(), "Stopped.\n");
    assert!(sandbox.ssod(&["service", "status"]).failed_with(4).contains("is not running"));
}

#[test]
fn completions_know_the_profiles_and_man_pages_the_commands() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let script = r#"
eval "$(ssod completions bash)"
COMP_WORDS=(ssod exec adm) COMP_CWORD=2 COMP_TYPE=9
complete -p ssod | sed 's/.*-F \([^ ]*\).*/\1/' >function
"$(cat function)" ssod adm exec
printf '%s\n' "${COMPREPLY[@]}"
"#;
    let offered = run(sandbox.command("/bin/bash").args(["-c", script])).succeeded();
    assert!(offered.lines().any(|line| line.trim() == "adminUser"), "{offered}");
    for shell in ["zsh", "fish"] {
        assert!(sandbox.ssod(&["completions", shell]).succeeded().contains("SSOD_COMPLETE"), "{shell}");
    }
    assert!(sandbox.ssod(&["completions", "tcsh"]).failed_with(2).contains("no completions for tcsh"));
    let folder = sandbox.home().join("man");
    sandbox.ssod(&["man", folder.to_str().unwrap()]).succeeded();
    let page = fs::read_to_string(folder.join("ssod-login.1")).unwrap();
    assert!(page.contains(".TH ssod-login 1") && folder.join("ssod.1").exists(), "{page}");
}
