//! A shell whose profile cannot be used has no identity, and its command fails.

use std::fs;

use ssod_testkit::{Sandbox, TestUser, run};

/// How each shell evaluates the output of `ssod env`, and then runs a command only if that succeeded.
const SHELLS: [(&str, &str); 4] = [
    ("sh", r#"eval "$(ssod env $ARGS)" && RUN; VERDICT"#),
    ("bash", r#"eval "$(ssod env $ARGS)" && RUN; VERDICT"#),
    ("zsh", r#"eval "$(ssod env ${=ARGS})" && RUN; VERDICT"#),
    ("fish", "ssod env (string split ' ' -- $ARGS) | source; and RUN; VERDICT"),
];

/// Evaluates `ssod env ARGS` in each shell, in which an earlier `ssod env adminUser` and variables of the user's are
/// set.
fn evaluate(sandbox: &Sandbox, arguments: &str, check: impl Fn(&str, &str)) {
    for (shell, line) in SHELLS {
        let line = line.replace("RUN", "echo ran").replace(
            "VERDICT",
            "printenv AWS_PROFILE AWS_ACCESS_KEY_ID AWS_CONTAINER_CREDENTIALS_FULL_URI SSOD_PROFILE AWS_REGION MINE",
        );
        let mut command = sandbox.command(format!("/usr/bin/{shell}"));
        command.args(["-c", &line]).env("ARGS", arguments).env("MINE", "mine");
        command.env("AWS_ACCESS_KEY_ID", "AKIAADMIN");
        for (name, value) in sandbox.daemon().env(&["adminUser"]) {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let result = run(&mut command);
        check(shell, &result.stdout);
    }
}

#[test]
fn a_failed_env_fails_the_command_and_leaves_no_identity() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    for arguments in ["typo", "adminUser --nonsense", "adminUser typo", "--imds adminUser"] {
        evaluate(&sandbox, arguments, |shell, output| {
            assert_eq!(output, "mine\n", "{shell}: ssod env {arguments}");
        });
    }
    // The config file is malformed, and later the daemon does not start.
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    let environment = sandbox.daemon().env(&["adminUser"]);
    sandbox.write_settings("nonsense = true\n");
    sandbox.daemon().terminate();
    for (shell, line) in SHELLS {
        let line =
            line.replace("RUN", "echo ran").replace("VERDICT", "printenv AWS_PROFILE SSOD_PROFILE MINE");
        let mut command = sandbox.command(format!("/usr/bin/{shell}"));
        command.args(["-c", &line]).env("ARGS", "adminUser").env("MINE", "mine");
        command.envs(environment.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))));
        assert_eq!(run(&mut command).stdout, "mine\n", "{shell}, no daemon");
    }
    assert_eq!(fs::read_to_string(sandbox.aws_config()).unwrap(), config);
}

#[test]
fn a_successful_env_succeeds_in_every_shell_and_unset_removes_it() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let uri = format!("http://127.0.0.1:{}/credentials/adminUser", sandbox.daemon().port());
    evaluate(&sandbox, "adminUser", |shell, output| {
        assert_eq!(output, format!("ran\nadminUser\n{uri}\nadminUser\nus-east-1\nmine\n"), "{shell}");
    });
    evaluate(&sandbox, "--unset", |shell, output| {
        assert_eq!(output, "ran\nAKIAADMIN\nmine\n", "{shell}");
    });
}

#[test]
fn variables_that_cannot_be_changed_fail_the_command() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    for (shell, line) in [
        ("sh", r#"readonly AWS_PROFILE=other; eval "$(ssod env adminUser)" && echo ran"#),
        ("bash", r#"readonly AWS_PROFILE=other; eval "$(ssod env adminUser)" && echo ran"#),
        ("zsh", r#"readonly AWS_PROFILE=other; eval "$(ssod env adminUser)" && echo ran"#),
        ("fish", "set -Ux AWS_ACCESS_KEY_ID other; ssod env adminUser | source; and echo ran"),
    ] {
        let result = run(sandbox.command(format!("/usr/bin/{shell}")).args(["-c", line]));
        assert_eq!(result.stdout, "", "{shell}");
        assert!(!result.stderr.is_empty(), "{shell}");
    }
    // The user's universal variable is kept.
    let left = run(sandbox.command("/usr/bin/fish").args(["-c", "printenv AWS_ACCESS_KEY_ID"]));
    assert_eq!(left.stdout, "other\n");
}

#[test]
fn status_use_and_env_report_what_this_shell_uses() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let pinned =
        |arguments: &[&str]| run(sandbox.ssod_command().args(arguments).env("SSOD_PROFILE", "readOnlyUser"));
    assert!(pinned(&["status"]).succeeded().contains("This shell uses readOnlyUser."));
    let result = pinned(&["use", "adminUser"]);
    assert!(
        result.stderr.contains("This shell uses readOnlyUser, whatever the active profile is."),
        "{result:?}"
    );
    let result = sandbox.ssod(&["use", "adminUser"]);
    assert!(!result.stderr.contains("This shell"), "{result:?}");
    let result = sandbox.ssod(&["env", "adminUser"]);
    assert!(
        result.stderr.contains("the session of adminUser is signed out. Run: ssod login adminUser"),
        "{result:?}"
    );
}
