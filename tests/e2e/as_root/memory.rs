//! Other processes cannot read the daemon's memory, a crash does not write it to a disk, and a lock clears the secrets
//! in it (T11, T12, T13).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rustix::process::Signal;
use ssod_control::{SessionState, VaultStateKind};
use ssod_testkit::{ChildProcess, Sandbox, TestUser, leaks, run, wait_until};

use super::other_user::signed_in;
use super::{ALICE, python, run_python};

/// Tries to inspect a process in every way that a debugger can.
const INSPECT: &str = r#"
import ctypes, os, sys
pid = int(sys.argv[1])
def attempt(name, action):
    try:
        print(name, "read" if action() else "refused")
    except OSError:
        print(name, "refused")
attempt("mem", lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY))
attempt("environ", lambda: len(open(f"/proc/{pid}/environ").read()) >= 0)
attempt("maps", lambda: len(open(f"/proc/{pid}/maps").read()) > 0)
attempt("fd", lambda: len(os.listdir(f"/proc/{pid}/fd")) > 0)
attempt("ptrace", lambda: ctypes.CDLL(None).ptrace(0x4206, pid, 0, 0) == 0)
"#;

#[test]
fn another_process_of_alice_cannot_inspect_the_daemon() {
    let sandbox = signed_in();
    let inspect = |pid: u32| run_python(ALICE, INSPECT, &[&pid.to_string()]).succeeded();
    let daemon = inspect(sandbox.daemon().pid());
    assert!(daemon.lines().count() == 5 && daemon.lines().all(|line| line.ends_with("refused")), "{daemon}");
    // The same program can inspect another process of alice, so it works.
    let other = ChildProcess::start(&mut python(
        ALICE,
        "import time; print('here', flush=True); time.sleep(60)",
        &[],
    ));
    other.next_line();
    let result = inspect(other.pid());
    assert!(result.contains("environ read") && result.contains("mem read"), "{result}");
}

#[test]
fn a_crash_leaves_no_core_dump_even_if_the_shell_allows_it() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = Sandbox::new();
    let leaves_core = |program: &str| {
        let line = format!("ulimit -c unlimited; exec {program}");
        let mut child = sandbox.command("/bin/sh").args(["-c", &line]).spawn().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        // The shell must have become the program. The daemon has disabled core dumps when it listens.
        let socket = sandbox.daemon().socket();
        wait_until("the program runs", || {
            let name = fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap_or_default();
            name.trim() == "sleep" || socket.exists()
        });
        rustix::process::kill_process(pid, Signal::ABORT).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
        let cores = leaks::files_below(sandbox.home());
        let cores: Vec<_> = cores
            .into_iter()
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("core"))
            .collect();
        for core in &cores {
            fs::remove_file(core).unwrap();
        }
        status.core_dumped() || !cores.is_empty()
    };
    assert!(leaves_core("sleep 60"), "this machine writes no core dumps, so this test proves nothing");
    assert!(!leaves_core("ssod-daemon"));
}

#[test]
fn a_crash_of_the_client_leaves_no_core_dump_and_exec_changes_no_limit() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let folder = tempfile::tempdir().unwrap();
    let crash = |program: &str, name: &str| {
        let line = format!("ulimit -c unlimited; exec {program}");
        let mut command = sandbox.command("/bin/sh");
        let mut child = command.args(["-c", &line]).current_dir(folder.path()).spawn().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        wait_until("the program runs", || fs::read_to_string(&comm).is_ok_and(|found| found.trim() == name));
        // The program has just begun; its first action is to protect itself.
        std::thread::sleep(Duration::from_millis(300));
        rustix::process::kill_process(pid, Signal::ABORT).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
        let cores = leaks::files_below(folder.path());
        let left = status.core_dumped() || !cores.is_empty();
        for core in &cores {
            fs::remove_file(core).unwrap();
        }
        left
    };
    assert!(crash("sleep 60", "sleep"), "this machine writes no core dumps, so this test proves nothing");
    assert!(!crash("ssod status --watch > /dev/null", "ssod"));

    // The program that `exec` runs is like every other program of the shell.
    assert!(crash("ssod exec adminUser -- sleep 60", "sleep"));
    let limits = |program: &str| {
        let line = format!("ulimit -Sc 1234; {program} sh -c 'ulimit -Sc; ulimit -Hc'");
        run(sandbox.command("/bin/sh").args(["-c", &line])).succeeded()
    };
    let expected = limits("");
    assert!(expected.starts_with("1234\n"), "{expected}");
    assert_eq!(limits("ssod exec adminUser --"), expected);
}

/// Searches the writable memory of a process. Returns the prefixes of the fake's secrets and the names of the given
/// texts that it contains.
fn secrets_in_memory(pid: u32, texts: &[(&'static str, Vec<u8>)]) -> Vec<&'static str> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, permissions) = (fields.next().unwrap(), fields.next().unwrap());
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        if !permissions.starts_with("rw") || to - from > 1 << 30 {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // Some mappings cannot be read, but they contain no data of the process.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            found.extend(leaks::secrets_in(&bytes));
            let contains = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            found.extend(texts.iter().filter(|(_, text)| contains(text)).map(|(name, _)| *name));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Sends one request, and keeps the connection open.
const KEEP_CONNECTION: &str = r#"
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", "/credentials/adminUser", headers={"Authorization": sys.argv[2]})
answer = connection.getresponse()
answer.read()
print(answer.status, flush=True)
time.sleep(300)
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Returns the bytes of the key in its file.
fn vault_key(sandbox: &Sandbox) -> Vec<u8> {
    let vault = sandbox.daemon().vault_folder();
    let location = fs::read_to_string(vault.join("key-store")).unwrap();
    let text = fs::read_to_string(vault.join(format!("key-{}", location.split_whitespace().nth(1).unwrap())))
        .unwrap();
    let digits = text.trim().as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_lock_clears_every_secret_from_memory_and_an_unlock_requires_no_sign_in() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let before = sandbox.daemon().credentials("adminUser");
    assert_eq!(before.status, 200);
    sandbox.ssod(&["list"]).succeeded();
    let pid = sandbox.daemon().pid();
    let token = fs::read(sandbox.daemon().token_file("adminUser")).unwrap();
    let own_secrets = [("the vault's key", vault_key(&sandbox)), ("an endpoint token", token)];
    let held = secrets_in_memory(pid, &own_secrets);
    // A client keeps the connection over which it got credentials.
    let kept = ChildProcess::start(&mut python(
        0,
        KEEP_CONNECTION,
        &[&sandbox.daemon().port().to_string(), &text(&own_secrets[1].1)],
    ));
    assert_eq!(kept.next_line(), "200");
    for kind in ["access-", "secret-", "the vault's key", "an endpoint token"] {
        assert!(held.contains(&kind), "the search does not find {kind}: {held:?}");
    }

    sandbox.ssod(&["lock"]).succeeded();
    assert_eq!(secrets_in_memory(pid, &own_secrets), [""; 0]);
    let refused = sandbox.daemon().credentials("adminUser");
    assert!(
        refused.status == 403 && refused.body.contains("Locked") && refused.body.contains("ssod unlock"),
        "{}",
        refused.body
    );
    for command in
        [&["credential-process", "adminUser"][..], &["env", "adminUser"], &["list"], &["login"], &["logout"]]
    {
        let error = sandbox.ssod(command).failed_with(1);
        assert!(error.contains("ssod is locked") && error.contains("ssod unlock"), "{command:?}: {error}");
    }
    assert!(sandbox.ssod(&["status"]).succeeded().contains("vault locked:"));

    // A restart does not unlock.
    sandbox.daemon().kill();
    sandbox.start_daemon();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 403);
    sandbox.ssod(&["unlock"]).succeeded();
    let after = sandbox.daemon().credentials("adminUser");
    assert_eq!((after.status, after.body), (200, before.body), "the credentials are not from the vault");
    assert_eq!(sandbox.fake().successful_calls("GetRoleCredentials"), 1);
}

#[test]
fn an_unused_daemon_locks_automatically() {
    let mut sandbox = Sandbox::new();
    sandbox.add_settings("[lock]\nidle_after = \"5s\"\n");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    // A request for the status does not count as use.
    wait_until("the daemon locks", || sandbox.daemon().status().daemon.vault.state == VaultStateKind::Locked);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 403);
    assert_eq!(secrets_in_memory(sandbox.daemon().pid(), &[]), [""; 0]);
    sandbox.ssod(&["unlock"]).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn a_lock_during_a_sign_in_ends_it_with_its_own_error() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    let result = sandbox.login_with("adminUser", &["--device-code"], |event| {
        sandbox.ssod(&["lock"]).succeeded();
        sandbox.fake().approve(event, "alice");
    });
    assert!(result.stdout.contains("\"Locked\"") && result.stdout.contains("ssod unlock"), "{result:?}");
    sandbox.ssod(&["unlock"]).succeeded();
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::SignedOut);
    sandbox.login(TestUser::ADMIN).succeeded();
}

#[test]
fn a_lock_that_cannot_be_saved_still_locks_and_is_reported() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let pid = sandbox.daemon().pid();
    // A folder with the name of the file can be neither written nor replaced.
    let state_file = sandbox.daemon().state_folder().join("remembered.json");
    let content = fs::read(&state_file).unwrap();
    fs::remove_file(&state_file).unwrap();
    fs::create_dir_all(state_file.join("obstacle")).unwrap();
    for _ in 0..2 {
        let error = sandbox.ssod(&["lock"]).failed_with(1);
        assert!(error.contains("a restart would unlock it"), "{error}");
        assert_eq!(sandbox.daemon().credentials("adminUser").status, 403);
        assert_eq!(secrets_in_memory(pid, &[("the vault's key", vault_key(&sandbox))]), [""; 0]);
    }
    fs::remove_dir_all(&state_file).unwrap();
    fs::write(&state_file, content).unwrap();
    sandbox.ssod(&["lock"]).succeeded();
    sandbox.ssod(&["unlock"]).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn without_locked_memory_the_daemon_works_and_reports_it() {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon_in_shell("ulimit -l 0; exec ssod-daemon");
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.ssod(&["credential-process", "adminUser"]).status, 0);
    assert!(sandbox.daemon().log().contains("the vault's key may be written to swap"));
}
