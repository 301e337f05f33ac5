//! `ssod doctor` finds common problems and suggests fixes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ssod_control::{Check, CheckState};
use ssod_testkit::{CommandOutput, Sandbox, TestUser, run, wait_until};

/// Runs `ssod doctor` with these variables.
fn doctor(sandbox: &Sandbox, variables: &[(&str, &str)]) -> CommandOutput {
    run(sandbox.ssod_command().arg("doctor").envs(variables.iter().copied()))
}

/// Checks that `ssod doctor` fails, and that the output of its failed checks contains the texts.
#[track_caller]
fn assert_finds(sandbox: &Sandbox, variables: &[(&str, &str)], texts: &[&str]) {
    let result = doctor(sandbox, variables);
    assert_eq!(result.status, 1, "{}", result.stdout);
    let failed: String = result.stdout.split("\nok").filter(|part| part.contains("failed")).collect();
    for text in texts {
        assert!(failed.contains(text), "{text} is not in {}", result.stdout);
    }
}

#[test]
fn a_healthy_machine_has_no_failed_check() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let result = doctor(&sandbox, &[]);
    assert_eq!(result.status, 0, "{}{}", result.stdout, result.stderr);
    for name in
        ["daemon", "port", "caller check", "key store", "permissions", "memory", "configuration", "variables"]
    {
        assert!(result.stdout.contains(name), "{name} is not in {}", result.stdout);
    }
    let checks: Vec<Check> = serde_json::from_str(&sandbox.ssod(&["doctor", "--json"]).succeeded()).unwrap();
    assert!(checks.iter().all(|check| check.state != CheckState::Failed), "{checks:?}");
    assert!(
        checks.iter().any(|check| check.name == "key store" && check.state == CheckState::Warning),
        "a key in a file causes no warning: {checks:?}"
    );
}

#[test]
fn credentials_that_take_precedence_over_ssod_are_found() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    assert_finds(
        &sandbox,
        &[("AWS_ACCESS_KEY_ID", "AKIA")],
        &["AWS_ACCESS_KEY_ID", "unset AWS_ACCESS_KEY_ID"],
    );
    let uri = sandbox.daemon().credentials_url("adminUser");
    let old_environment =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "old")];
    assert_finds(&sandbox, &old_environment, &["is no longer valid", "ssod env"]);
    let credentials = sandbox.home().join(".aws/credentials");
    for (section, text) in
        [("default", "tools without a profile"), ("adminUser", "do not use ssod for profile adminUser")]
    {
        fs::write(
            &credentials,
            format!("[{section}]\naws_access_key_id = AKIA\naws_secret_access_key = x\n"),
        )
        .unwrap();
        assert_finds(&sandbox, &[], &[text]);
    }
}

#[test]
fn files_that_others_can_access_and_a_broken_config_file_are_found() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let token = sandbox.daemon().token_file("adminUser");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    assert_finds(&sandbox, &[], &["Other users can access", "chmod go=", "profile-adminUser"]);
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(sandbox.aws_config(), fs::Permissions::from_mode(0o666)).unwrap();
    assert_finds(&sandbox, &[], &["Other users can change", ".aws/config"]);
    fs::set_permissions(sandbox.aws_config(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(doctor(&sandbox, &[]).status, 0);
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    fs::write(sandbox.aws_config(), format!("nonsense\n{text}")).unwrap();
    wait_until("the broken file is found", || {
        doctor(&sandbox, &[]).stdout.contains("line 1: expected a section")
    });
}
