//! Web pages attack the endpoint with a real Chromium (T4, T5, T6): a foreign site, a rebound name, a page on loopback.

use std::process::Command;

use serde_json::Value;
use ssod_testkit::{Person, Sandbox, run_with_input};

use crate::clients::program;

#[test]
fn no_web_page_reads_or_changes_anything() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    sandbox.ssod(&["use", "adminUser"]).succeeded();
    let served = sandbox.credentials("adminUser").json();
    let before = sandbox.status();
    let mut command = Command::new("/usr/bin/python3");
    command.arg(program("browser_attack.py")).args(["--victim-port", &sandbox.port.to_string(), "--compact"]);
    let secrets = ["SecretAccessKey", "Token", "AccessKeyId"].map(|name| served[name].as_str().unwrap());
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", sandbox.home())
        .env("XDG_RUNTIME_DIR", sandbox.home());
    let attacked = run_with_input(&mut command, &secrets.join("\n"));
    let said: Value = serde_json::from_str(&attacked.stdout).unwrap_or_else(|_| panic!("{attacked:?}"));
    assert!(said["ok"] == true && said["clean"] == true, "every page came to its end: {said}");
    for page in ["evil", "rebind", "loopback"] {
        let control = &said["controls"][format!("{page}.control")];
        assert_eq!(control, "read", "{page} can read what it may read: {said}");
    }
    assert_eq!(said["leaks"], serde_json::json!([]), "{said}");
    assert!(said["spliced_connections"].as_u64().unwrap() >= 1, "the rebound name reached the endpoint");
    let answered = said["read"].as_object().unwrap();
    let granted: Vec<_> =
        answered.iter().filter(|(_, how)| how.as_str().unwrap().starts_with("HTTP 200")).collect();
    assert!(granted.is_empty(), "{granted:?}");

    // All of them arrived, and were refused for what they are.
    for reason in ["it is a web browser", "Host must be 127.0.0.1"] {
        sandbox.audited(reason, |line| {
            line["outcome"] == "refused" && line["reason"].as_str().unwrap().contains(reason)
        });
    }
    let after = sandbox.status();
    assert_eq!(
        (&before["active"], before["sessions"][0]["state"].as_str()),
        (&after["active"], after["sessions"][0]["state"].as_str())
    );
}
