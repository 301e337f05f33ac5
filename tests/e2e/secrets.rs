//! After a day's use with the most detailed log, no secret of AWS is in the clear: not in a file, a log, an argument,
//! or the environment of another process (T10, T14, T15). Every other sandbox also searches its home folder when it
//! ends.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ssod_testkit::{ChildProcess, FaultKind, Sandbox, TestUser, leaks};

/// Searches the arguments and the environment of every process until it is stopped, and returns the secrets that it
/// found.
fn watch_processes(stop: &AtomicBool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    while !stop.load(Ordering::SeqCst) {
        search_processes(&mut found);
        std::thread::sleep(Duration::from_millis(5));
    }
    found
}

fn search_processes(found: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        for file in ["cmdline", "environ"] {
            let text = fs::read(entry.path().join(file)).unwrap_or_default();
            for prefix in leaks::secrets_in(&text) {
                let program = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                found.insert(format!("{prefix} in {file} of {}", program.trim()));
            }
        }
    }
}

/// Runs the closure, and returns the secrets that were found in processes during that time.
fn secrets_in_processes_during(run: impl FnOnce()) -> BTreeSet<String> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch_processes(&stop));
        // The watch must also end after a panic, or the test would hang.
        let result = catch_unwind(AssertUnwindSafe(run));
        stop.store(true, Ordering::SeqCst);
        let found = watch.join().unwrap();
        result.unwrap_or_else(|panic| resume_unwind(panic));
        found
    })
}

fn use_for_a_day(sandbox: &mut Sandbox) {
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox
        .login_with("adminUser", &["--device-code"], |event| sandbox.fake().approve(event, "alice"))
        .succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    sandbox.ssod(&["credential-process", "adminUser"]).succeeded();
    sandbox.ssod(&["exec", "adminUser", "--", "sleep", "0.2"]).succeeded();
    sandbox.ssod(&["list"]).succeeded();
    sandbox.ssod(&["doctor"]).succeeded();
    sandbox.fake().advance_clock(Duration::from_secs(3_700));
    sandbox.ssod(&["list"]).succeeded();
    sandbox.fake().add_fault(FaultKind::Fail, "GetRoleCredentials");
    for command in [&["status"][..], &["audit"], &["vault", "rekey"], &["lock"], &["unlock"]] {
        sandbox.ssod(command).succeeded();
    }
    sandbox.fake().clear_faults();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    sandbox.daemon().wait_until_credentials_are_saved();
}

#[test]
fn no_secret_is_anywhere_in_the_clear() {
    let mut sandbox = Sandbox::new();
    // First, check that the search finds secrets.
    let mut command = sandbox.command("/usr/bin/python3");
    command
        .args(["-c", "import time; print('started', flush=True); time.sleep(300)"])
        .arg("access-0123456789abcdef0123456789abcdef")
        .env("PLANTED", "refresh-0123456789abcdef0123");
    let planted = ChildProcess::start(&mut command);
    planted.next_line();
    let mut found = BTreeSet::new();
    search_processes(&mut found);
    for secret in ["access- in cmdline", "refresh- in environ"] {
        assert!(found.iter().any(|one| one.contains(secret)), "{secret} is not in {found:?}");
    }
    drop(planted);

    let found = secrets_in_processes_during(|| use_for_a_day(&mut sandbox));
    assert_eq!(found, BTreeSet::new());
    let searched = leaks::files_below(sandbox.home());
    assert!(searched.iter().any(|path| path.ends_with("daemon.log")), "{searched:?}");
    assert!(sandbox.daemon().log().contains("TRACE"), "the log is not at its most detailed level");
    leaks::assert_no_secrets(sandbox.home());
}
