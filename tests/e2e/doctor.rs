//! `ssod doctor` finds what goes wrong in practice, and says the remedy.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use ssod_testkit::{Finished, Person, Sandbox, programs, run};

/// What doctor says in a shell with these variables besides.
fn doctor(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Finished {
    run(sandbox.command(programs().join("ssod")).arg("doctor").envs(variables.iter().copied()))
}

#[track_caller]
fn finds(sandbox: &Sandbox, variables: &[(&str, &str)], words: &[&str]) {
    let found = doctor(sandbox, variables);
    assert_eq!(found.status, 1, "{}", found.stdout);
    let failed: String = found.stdout.split("\nok").filter(|part| part.contains("failed")).collect();
    for word in words {
        assert!(failed.contains(word), "{word} is not in {}", found.stdout);
    }
}

#[test]
fn a_healthy_machine_has_nothing_to_mend() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let well = doctor(&sandbox, &[]);
    assert_eq!(well.status, 0, "{}{}", well.stdout, well.stderr);
    for row in
        ["daemon", "port", "caller check", "key store", "permissions", "memory", "configuration", "variables"]
    {
        assert!(well.stdout.contains(row), "{row} is not in {}", well.stdout);
    }
    let checks: Vec<Value> = serde_json::from_str(&sandbox.ssod(&["doctor", "--json"]).succeeded()).unwrap();
    assert!(checks.iter().all(|check| check["state"] != "failed"), "{checks:?}");
    assert!(
        checks.iter().any(|check| check["name"] == "key store" && check["state"] == "warning"),
        "it is a file"
    );
}

#[test]
fn what_comes_before_ssod_is_found_in_the_shell_and_in_files() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    finds(&sandbox, &[("AWS_ACCESS_KEY_ID", "AKIA")], &["AWS_ACCESS_KEY_ID", "unset AWS_ACCESS_KEY_ID"]);
    let uri = format!("http://127.0.0.1:{}/credentials/adminUser", sandbox.port);
    let old =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "old")];
    finds(&sandbox, &old, &["is no longer valid", "ssod env"]);
    let keys = sandbox.home().join(".aws/credentials");
    for (section, words) in [("default", "tools without a profile"), ("adminUser", "not what ssod serves")] {
        fs::write(&keys, format!("[{section}]\naws_access_key_id = AKIA\naws_secret_access_key = x\n"))
            .unwrap();
        finds(&sandbox, &[], &[words]);
    }
}

#[test]
fn files_that_others_get_at_and_a_broken_config_file_are_found() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let token = sandbox.home().join("run/ssod/tokens/profile-adminUser");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    finds(&sandbox, &[], &["Other users can access", "chmod go=", "profile-adminUser"]);
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(sandbox.aws_config(), fs::Permissions::from_mode(0o666)).unwrap();
    finds(&sandbox, &[], &["Other users can change", ".aws/config"]);
    fs::set_permissions(sandbox.aws_config(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(doctor(&sandbox, &[]).status, 0);
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    fs::write(sandbox.aws_config(), format!("nonsense\n{text}")).unwrap();
    sandbox.eventually("it is found", || doctor(&sandbox, &[]).stdout.contains("line 1: expected a section"));
}
