//! `ssod credential-process PROFILE` is read without clap, but the output, the errors and the exit status are those of
//! the same command in another form, which clap reads.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;

use ssod_testkit::{CommandOutput, Sandbox, TestUser, run};

/// Runs the command in its plain form and in two others with these variables. All must end in the same way.
#[track_caller]
fn outcome(sandbox: &Sandbox, profile: &str, variables: &[(&str, &str)]) -> CommandOutput {
    let run_with = |arguments: &[&str]| {
        run(sandbox.ssod_command().args(arguments).args([profile]).envs(variables.iter().copied()))
    };
    let plain = run_with(&["credential-process"]);
    for other in [&["credential-process", "--"][..], &["--no-input", "credential-process"]] {
        let by_clap = run_with(other);
        let parts = |output: &CommandOutput| (output.status, output.stdout.clone(), output.stderr.clone());
        assert_eq!(parts(&plain), parts(&by_clap), "{other:?} {profile:?} with {variables:?}");
    }
    plain
}

#[test]
fn results_and_refusals_are_those_of_every_other_form() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let credentials = outcome(&sandbox, "adminUser", &[]).succeeded();
    assert!(credentials.starts_with(r#"{"Version":1,"AccessKeyId":"ASIA"#) && credentials.ends_with("}\n"));
    for name in ["unknown", "sso-session-adminUser", "help", "a b", "é", "\u{1b}[2J\u{202e}", "a\nhint: b"] {
        let error = outcome(&sandbox, name, &[]).failed_with(1);
        assert!(error.starts_with("error: ") && error.contains("\nhint: "), "{error:?}");
        assert!(!error.contains('\u{1b}') && !error.contains('\u{202e}'), "{error:?}");
    }
    sandbox.ssod(&["logout"]).succeeded();
    let error = outcome(&sandbox, "adminUser", &[]).failed_with(3);
    assert!(error.contains("ssod login"), "{error}");
    sandbox.ssod(&["lock"]).succeeded();
    let error = outcome(&sandbox, "adminUser", &[]).failed_with(1);
    assert!(error.contains("ssod unlock"), "{error}");
}

#[test]
fn errors_without_a_daemon_are_those_of_every_other_form() {
    let sandbox = Sandbox::new();
    let elsewhere = [("SSOD_SOCKET", "~bob/control.sock")];
    let error = outcome(&sandbox, "adminUser", &elsewhere).failed_with(1);
    assert!(error.contains("another user's home folder"), "{error}");
    let folder = sandbox.home().join("open");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let socket = folder.join("control.sock");
    let error = outcome(&sandbox, "adminUser", &[("SSOD_SOCKET", socket.to_str().unwrap())]).failed_with(4);
    assert!(error.contains("other users have access to it") && error.contains("chmod 700"), "{error}");
    // The command starts a daemon, which ends at once.
    sandbox.write_settings("[endpoint]\nport = \"x\"\n");
    let error = outcome(&sandbox, "adminUser", &[]).failed_with(4);
    assert!(error.contains("ended at once") && error.contains("port"), "{error}");
}

#[test]
fn output_that_cannot_be_written_is_the_same_error() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    for arguments in [&["credential-process", "adminUser"][..], &["credential-process", "--", "adminUser"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.ssod_command().args(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "error: No space left on device (os error 28).\n"
        );
    }
}
