//! The daemon keeps only the variables that it needs and that `ssod status` shows (T27). Only root can read the
//! environment of a daemon.

use std::fs;

use ssod_testkit::{Sandbox, TestUser, run};

/// What a shell may have that must not have an effect on a daemon for weeks: other certificates, other hosts, the keys
/// of TLS connections, another proxy, credentials.
const FOREIGN: [(&str, &str); 7] = [
    ("SSL_CERT_FILE", "/nonexistent.pem"),
    ("SSL_CERT_DIR", "/nonexistent"),
    ("SSLKEYLOGFILE", "/tmp/keys"),
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("HOSTALIASES", "/tmp/hosts"),
    ("RUST_LOG", "trace"),
    ("AWS_SECRET_ACCESS_KEY", "foreign"),
];

fn environment_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/environ")).unwrap().replace('\0', "\n")
}

fn assert_has_no_foreign_variable(pid: u32) {
    let environment = environment_of(pid);
    assert!(environment.contains("\nHOME=") || environment.starts_with("HOME="), "{environment}");
    for (name, _) in FOREIGN {
        assert!(!environment.lines().any(|line| line.starts_with(&format!("{name}="))), "{environment}");
    }
}

#[test]
fn a_daemon_has_no_variable_of_the_shell_that_started_it_except_those_that_it_names() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    // A client starts it, in a shell with a proxy that needs a password.
    let proxy = ("HTTPS_PROXY", "http://me:MARKER-password@127.0.0.1:9");
    let status = run(sandbox.ssod_command().arg("status").envs(FOREIGN).envs([proxy]));
    let shown = status.clone().succeeded();
    assert!(
        shown.contains(
            "AWS is called through the proxy http://127.0.0.1:9 (HTTPS_PROXY in the daemon's environment)"
        ),
        "{shown}"
    );
    assert!(!status.stderr.contains("warning"), "{}", status.stderr);
    let pid = sandbox.daemon().status().daemon.pid;
    assert_has_no_foreign_variable(pid);
    assert!(environment_of(pid).contains("HTTPS_PROXY="));
    // A shell with another proxy is told so, without the password. Nothing to loopback goes through a proxy.
    let other = sandbox.ssod(&["doctor"]);
    assert!(other.stdout.contains("through the proxy http://127.0.0.1:9 (HTTPS_PROXY)"), "{}", other.stdout);
    sandbox.login(TestUser::ADMIN).succeeded();
    let warned = sandbox.ssod(&["status"]).stderr;
    assert!(warned.contains("uses the proxy http://127.0.0.1:9 (this client: none)"), "{warned}");
    for text in [
        shown,
        other.stdout,
        warned,
        fs::read_to_string(sandbox.daemon().state_folder().join("daemon.log")).unwrap(),
    ] {
        assert!(!text.contains("MARKER-password"), "{text}");
    }
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    let stop = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(stop, rustix::process::Signal::TERM).unwrap();
    ssod_testkit::wait_until("the daemon ends", || !fs::exists(format!("/proc/{pid}")).unwrap());
    // A service manager or a user starts it. The process stays, which a service manager relies on.
    sandbox.start_daemon_with(&FOREIGN);
    assert_has_no_foreign_variable(sandbox.daemon().pid());
    assert_eq!(
        fs::read_to_string(format!("/proc/{}/comm", sandbox.daemon().pid())).unwrap(),
        "ssod-daemon\n"
    );
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}
