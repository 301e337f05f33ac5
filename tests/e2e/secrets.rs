//! After a day's use at the most talkative log level, no secret of AWS lies anywhere in the clear: not in a file, a log,
//! an argument, or another process's environment (T10, T14, T15). Every other sandbox searches its home, too, as it ends.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ssod_testkit::{Person, Sandbox, approve_device, leaks, run};

/// Looks at every process's arguments and environment until told to stop; gives the secrets seen there.
fn watch(stop: &AtomicBool) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::SeqCst) {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            if !name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            for file in ["cmdline", "environ"] {
                let text = fs::read(entry.path().join(file)).unwrap_or_default();
                for kind in leaks::secrets_in(&text) {
                    let program = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                    seen.insert(format!("{kind} in {file} of {}", program.trim()));
                }
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    seen
}

fn a_days_use(sandbox: &mut Sandbox) {
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    sandbox
        .login_by("adminUser", &["--device-code"], |event, fake| {
            approve_device(fake, event["code"].as_str().unwrap(), "alice", true);
        })
        .succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    sandbox.ssod(&["credential-process", "adminUser"]).succeeded();
    sandbox.ssod(&["exec", "adminUser", "--", "sleep", "0.2"]).succeeded();
    sandbox.ssod(&["list"]).succeeded();
    sandbox.ssod(&["doctor"]).succeeded();
    sandbox.tell_fake("clock", &serde_json::json!({ "advance_ms": 3_700_000 }));
    sandbox.ssod(&["list"]).succeeded();
    sandbox.fault("fail", "GetRoleCredentials");
    for command in [&["status"][..], &["audit"], &["vault", "rekey"], &["lock"], &["unlock"]] {
        sandbox.ssod(command).succeeded();
    }
    sandbox.clear_faults();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    let cache = sandbox.state().join("vault/role-credentials.sealed");
    sandbox.eventually("the cache is written", || fs::metadata(&cache).is_ok_and(|facts| facts.len() > 200));
}

/// What is seen in other processes while that happens.
fn seen_during(happens: impl FnOnce()) -> BTreeSet<String> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&stop));
        // Whatever happens, the watch must end, or a failure would hang.
        let happened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(happens));
        stop.store(true, Ordering::SeqCst);
        let seen = watching.join().unwrap();
        happened.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        seen
    })
}

#[test]
fn no_secret_lies_in_the_clear() {
    let mut sandbox = Sandbox::new();
    let seen = seen_during(|| {
        let planted = "access-0123456789abcdef0123456789abcdef";
        let mut command = sandbox.command("/bin/sh");
        command.args(["-c", "sleep 0.5", planted]).env("PLANTED", "refresh-0123456789abcdef0123");
        run(&mut command);
    });
    for planted in ["access- in cmdline", "refresh- in environ"] {
        assert!(seen.iter().any(|one| one.contains(planted)), "the watch sees what it looks for: {seen:?}");
    }
    let seen = seen_during(|| a_days_use(&mut sandbox));
    assert_eq!(seen, BTreeSet::new());
    let searched = leaks::files_below(sandbox.home());
    assert!(searched.iter().any(|path| path.ends_with("daemon.log")), "{searched:?}");
    assert!(sandbox.daemon_log().contains("TRACE"), "the log says all that it can");
    leaks::assert_none(sandbox.home());
}
