//! Nobody reads the daemon's memory, no crash leaves it on a disk, and a lock empties it (T11, T12, T13).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use rustix::process::Signal;
use ssod_testkit::{Person, Running, Sandbox, approve_device, leaks};

use super::other_user::signed_in;
use super::{ALICE, python, run_python};

/// Tries to look into a process, in every way that a debugger has.
const SPY: &str = r#"
import ctypes, os, sys
pid = int(sys.argv[1])
def attempt(name, way):
    try:
        print(name, "read" if way() else "refused")
    except OSError:
        print(name, "refused")
attempt("mem", lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY))
attempt("environ", lambda: len(open(f"/proc/{pid}/environ").read()) >= 0)
attempt("maps", lambda: len(open(f"/proc/{pid}/maps").read()) > 0)
attempt("fd", lambda: len(os.listdir(f"/proc/{pid}/fd")) > 0)
attempt("ptrace", lambda: ctypes.CDLL(None).ptrace(0x4206, pid, 0, 0) == 0)
"#;

#[test]
fn another_process_of_alices_cannot_look_into_the_daemon() {
    let mut sandbox = signed_in();
    let look = |pid: u32| run_python(ALICE, SPY, &[&pid.to_string()]).succeeded();
    let daemon = look(sandbox.daemon().pid());
    assert!(daemon.lines().count() == 5 && daemon.lines().all(|line| line.ends_with("refused")), "{daemon}");
    // Any other process of hers is open to the same look, so the look itself works.
    let other =
        Running::start(&mut python(ALICE, "import time; print('here', flush=True); time.sleep(60)", &[]));
    other.line();
    let looked = look(other.pid());
    assert!(looked.contains("environ read") && looked.contains("mem read"), "{looked}");
}

#[test]
fn a_crash_leaves_no_core_though_the_shell_allows_one() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = Sandbox::new();
    let dumped = |program: &str| {
        let line = format!("ulimit -c unlimited; exec {program}");
        let mut child = sandbox.command("/bin/sh").args(["-c", &line]).spawn().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        // Until it has become the program, which then is past its first lines when it listens.
        let socket = sandbox.home().join("run/ssod/control.sock");
        sandbox.eventually("it runs", || {
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
    assert!(dumped("sleep 60"), "this machine writes cores, so that their absence says something");
    assert!(!dumped("ssod-daemon"));
}

/// Every kind of secret that lies in the writable memory of that process, and which of these texts do.
fn secrets_in_memory(pid: u32, texts: &[(&'static str, Vec<u8>)]) -> Vec<&'static str> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        if !rights.starts_with("rw") || to - from > 1 << 30 {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // Some of what is mapped cannot be read, and holds nothing.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            found.extend(leaks::secrets_in(&bytes));
            let lies_there = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            found.extend(texts.iter().filter(|(_, text)| lies_there(text)).map(|(name, _)| *name));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Asks once and keeps the connection.
const KEEP: &str = r#"
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", "/credentials/adminUser", headers={"Authorization": sys.argv[2]})
answer = connection.getresponse()
answer.read()
print(answer.status, flush=True)
time.sleep(60)
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The bytes of the key that lies in a file.
fn vault_key(sandbox: &Sandbox) -> Vec<u8> {
    let vault = sandbox.state().join("vault");
    let place = fs::read_to_string(vault.join("key-store")).unwrap();
    let text =
        fs::read_to_string(vault.join(format!("key-{}", place.split_whitespace().nth(1).unwrap()))).unwrap();
    let digits = text.trim().as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_lock_leaves_no_secret_in_memory_and_an_unlock_asks_nobody_to_sign_in() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    let before = sandbox.credentials("adminUser");
    assert_eq!(before.status, 200);
    sandbox.ssod(&["list"]).succeeded();
    let pid = sandbox.daemon().pid();
    let token = fs::read(sandbox.home().join("run/ssod/tokens/profile-adminUser")).unwrap();
    let ours = [("the vault's key", vault_key(&sandbox)), ("an endpoint token", token)];
    let held = secrets_in_memory(pid, &ours);
    // Somebody keeps a connection over which credentials went.
    let kept = Running::start(&mut python(0, KEEP, &[&sandbox.port.to_string(), &text(&ours[1].1)]));
    assert_eq!(kept.line(), "200");
    for kind in ["access-", "secret-", "the vault's key", "an endpoint token"] {
        assert!(held.contains(&kind), "the search finds what is there: {held:?}");
    }

    sandbox.ssod(&["lock"]).succeeded();
    assert_eq!(secrets_in_memory(pid, &ours), [""; 0]);
    let refused = sandbox.credentials("adminUser");
    assert!(
        refused.status == 403 && refused.body.contains("Locked") && refused.body.contains("ssod unlock"),
        "{}",
        refused.body
    );
    for command in
        [&["credential-process", "adminUser"][..], &["env", "adminUser"], &["list"], &["login"], &["logout"]]
    {
        let said = sandbox.ssod(command).failed_with(1);
        assert!(said.contains("ssod is locked") && said.contains("ssod unlock"), "{command:?}: {said}");
    }
    assert!(sandbox.ssod(&["status"]).succeeded().contains("vault locked:"));

    // A restart unlocks nothing.
    sandbox.daemon().kill();
    sandbox.start_daemon();
    assert_eq!(sandbox.credentials("adminUser").status, 403);
    sandbox.ssod(&["unlock"]).succeeded();
    let after = sandbox.credentials("adminUser");
    assert_eq!((after.status, after.body), (200, before.body), "from the vault, with nobody asked");
    assert_eq!(sandbox.count("GetRoleCredentials"), 1);
}

#[test]
fn an_unattended_machine_locks_itself() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[lock]\nidle_after = \"2s\"\n");
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    // Looking at the status is no use.
    sandbox.eventually("it locks itself", || sandbox.status()["daemon"]["vault"]["state"] == "locked");
    assert_eq!(sandbox.credentials("adminUser").status, 403);
    assert_eq!(secrets_in_memory(sandbox.daemon().pid(), &[]), [""; 0]);
    sandbox.ssod(&["unlock"]).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}

#[test]
fn a_lock_during_a_sign_in_ends_it_in_its_own_words() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    let ended = sandbox.login_by("adminUser", &["--device-code"], |event, fake| {
        sandbox.ssod(&["lock"]).succeeded();
        approve_device(fake, event["code"].as_str().unwrap(), "alice", true);
    });
    assert!(ended.stdout.contains("\"Locked\"") && ended.stdout.contains("ssod unlock"), "{ended:?}");
    sandbox.ssod(&["unlock"]).succeeded();
    assert_eq!(sandbox.status()["sessions"][0]["state"], "signed_out");
    sandbox.login(Person::ADMIN).succeeded();
}

#[test]
fn a_lock_that_cannot_be_remembered_locks_all_the_same_and_says_so() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    let pid = sandbox.daemon().pid();
    // A folder in its place: it can be neither written nor replaced.
    let memory = sandbox.state().join("remembered.json");
    let kept = fs::read(&memory).unwrap();
    fs::remove_file(&memory).unwrap();
    fs::create_dir_all(memory.join("in-the-way")).unwrap();
    for _ in 0..2 {
        let said = sandbox.ssod(&["lock"]).failed_with(1);
        assert!(said.contains("a restart would unlock it"), "{said}");
        assert_eq!(sandbox.credentials("adminUser").status, 403);
        assert_eq!(secrets_in_memory(pid, &[("the vault's key", vault_key(&sandbox))]), [""; 0]);
    }
    fs::remove_dir_all(&memory).unwrap();
    fs::write(&memory, kept).unwrap();
    sandbox.ssod(&["lock"]).succeeded();
    sandbox.ssod(&["unlock"]).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}

#[test]
fn where_no_memory_may_be_locked_the_daemon_works_and_says_so() {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon_by("ulimit -l 0; exec ssod-daemon");
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.ssod(&["credential-process", "adminUser"]).status, 0);
    assert!(sandbox.daemon_log().contains("the vault's key may be written to swap"));
}
