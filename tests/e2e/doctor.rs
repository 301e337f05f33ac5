//! `ssod doctor` finds common problems and suggests fixes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

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
    for heading in ["Sign-ins and profiles", "Files and folders", "This shell and its AWS files"] {
        assert!(result.stdout.contains(&format!("\n{heading}\nok ")), "{heading}: {}", result.stdout);
    }
    // The fake's address is an override, and nothing but AWS looks like AWS.
    for text in ["You are signed in to", "AWS_ENDPOINT_URL_SSO=http://127.0.0.1", "does not look like AWS's"]
    {
        assert!(result.stdout.contains(text), "{text} is not in {}", result.stdout);
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
    let write_keys = |section: &str| {
        let text = format!("[{section}]\naws_access_key_id = AKIA\naws_secret_access_key = x\n");
        fs::write(&credentials, text).unwrap();
    };
    // Tools with a profile use ssod, so another source of credentials is only a warning if the shell has no endpoint.
    fs::write(&credentials, "[default]\nrole_arn = arn:aws:iam::1:role/x\n").unwrap();
    let elsewhere = doctor(&sandbox, &[]);
    assert_eq!(elsewhere.status, 0, "{}", elsewhere.stdout);
    assert!(elsewhere.stdout.contains("AWS tools without a profile do not use ssod"), "{}", elsewhere.stdout);
    // Access keys never expire, so a tool that uses them by mistake is not noticed.
    write_keys("default");
    assert_finds(&sandbox, &[], &["AWS tools without a profile do not use ssod"]);
    let token = sandbox.daemon().token("adminUser");
    let environment =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token)];
    assert_finds(&sandbox, &environment, &["do not use the endpoint", "[default] has aws_access_key_id"]);
    write_keys("adminUser");
    assert_finds(&sandbox, &[], &["AWS tools do not use ssod for profile adminUser"]);
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

#[test]
fn folders_that_others_can_write_to_are_found() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let home = fs::canonicalize(sandbox.home()).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (folder, wrong) in [(".aws", 0o777), (".config/ssod", 0o775), (".local", 0o777), ("", 0o770)] {
        let folder: PathBuf = home.join(folder).components().collect();
        let before = fs::metadata(&folder).unwrap().permissions().mode();
        mode(&folder, wrong);
        let fix = format!("chmod go-w {}", folder.display());
        let shown = format!("replace the files in {} (mode {wrong:04o})", folder.display());
        assert_finds(&sandbox, &[], &[&shown, &fix]);
        mode(&folder, before);
    }
    assert_eq!(doctor(&sandbox, &[]).status, 0);

    // The folder behind a link counts, too.
    let dotfiles = home.join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    fs::rename(sandbox.aws_config(), dotfiles.join("config")).unwrap();
    symlink("../dotfiles/config", sandbox.aws_config()).unwrap();
    mode(&dotfiles, 0o755);
    assert_eq!(doctor(&sandbox, &[]).status, 0);
    mode(&dotfiles, 0o777);
    assert_finds(&sandbox, &[], &[&format!("replace the files in {}", dotfiles.display())]);
}

#[test]
fn sign_ins_that_are_needed_are_warnings_and_blocked_profiles_fail() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.configure(TestUser { role: "AdminRole", ..TestUser::READ_ONLY });
    sandbox.start_daemon();
    let session = TestUser::ADMIN.session;
    let signed_out = doctor(&sandbox, &[]);
    assert_eq!(signed_out.status, 0, "a sign-in that is needed is a warning: {}", signed_out.stdout);
    for text in [format!("Session {session} is signed out."), format!("Sign in: ssod login {session}")] {
        assert!(signed_out.stdout.contains(&text), "{text} is not in {}", signed_out.stdout);
    }
    let login = sandbox.login(TestUser::READ_ONLY).failed_with(1);
    assert!(login.contains("does not have AdminRole"), "{login}");
    assert_eq!(sandbox.daemon().credentials(TestUser::READ_ONLY.profile).status, 403);
    let not_assigned = format!("{} cannot be used: the role is not assigned", TestUser::READ_ONLY.profile);
    assert_finds(&sandbox, &[], &[&not_assigned, "ssod list"]);
}

#[test]
fn an_endpoint_that_does_not_answer_is_found() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.fake().stop();
    assert_finds(&sandbox, &[], &["Cannot reach 127.0.0.1", "Check the network"]);
}
