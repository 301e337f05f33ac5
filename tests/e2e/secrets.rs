//! After a day's use at the most talkative log level, no secret of AWS lies anywhere in the home in the clear.

use std::fs;
use std::path::{Path, PathBuf};

use ssod_testkit::{Person, Sandbox, approve_device};

/// How the fake's secrets begin; each goes on with hexadecimal digits.
const KINDS: [&str; 6] =
    ["access-", "refresh-", "client-secret-", "code-", "secret-", "session-alice-AdminRole-"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Whether the text holds a secret of that kind.
fn holds(text: &str, kind: &str) -> bool {
    text.match_indices(kind).any(|(at, _)| {
        let rest = &text.as_bytes()[at + kind.len()..];
        rest.len() >= 16 && rest[..16].iter().all(u8::is_ascii_hexdigit)
    })
}

#[test]
fn no_secret_lies_in_the_clear() {
    assert!(holds("x access-0123456789abcdef0 y", "access-"), "the search finds what it looks for");
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon_with(&[("SSOD_LOG", "trace")]);
    sandbox.login(Person::ADMIN).succeeded();
    sandbox
        .login_by("adminUser", &["--device-code"], |event, fake| {
            approve_device(fake, event["code"].as_str().unwrap(), "alice", true);
        })
        .succeeded();
    let served = sandbox.credentials("adminUser").json();
    sandbox.ssod(&["credential-process", "adminUser"]).succeeded();
    sandbox.ssod(&["list"]).succeeded();
    sandbox.tell_fake("clock", &serde_json::json!({ "advance_ms": 3_700_000 }));
    sandbox.ssod(&["list"]).succeeded();
    sandbox.fault("fail", "GetRoleCredentials");
    sandbox.ssod(&["status"]).succeeded();
    let cache = sandbox.state().join("vault/role-credentials.sealed");
    sandbox.eventually("the cache is written", || fs::metadata(&cache).is_ok_and(|facts| facts.len() > 200));

    let secret = served["SecretAccessKey"].as_str().unwrap();
    let searched = files(sandbox.home());
    assert!(searched.iter().any(|path| path.ends_with("daemon.log")), "{searched:?}");
    for path in searched {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        assert!(!text.contains(secret), "{} holds a secret key", path.display());
        for kind in KINDS {
            assert!(!holds(&text, kind), "{} holds a secret that begins with {kind}", path.display());
        }
    }
    for process in ["self", &sandbox.daemon().pid().to_string()] {
        let arguments = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
        assert!(KINDS.iter().all(|kind| !holds(&arguments, kind)));
    }
}
