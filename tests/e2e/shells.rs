//! A hostile config file cannot make a shell run a command, or write control characters to the terminal (T18).

use std::fs;
use std::os::unix::fs::DirBuilderExt;

use serde_json::Value;
use ssod_testkit::{Sandbox, run};

const NAMES: [&str; 7] = [
    "$(touch x)",
    "`touch x`",
    "a'; touch x; '",
    "a\"; touch x; \"",
    "a\\'; touch x; #",
    "a; touch x",
    "~root/*",
];

#[test]
fn no_profile_name_makes_a_shell_run_a_command() {
    let mut sandbox = Sandbox::new();
    let mut config =
        format!("[sso-session s]\nsso_start_url = {}\nsso_region = us-east-1\n", sandbox.fake().start_url());
    for name in NAMES {
        config += &format!(
            "[profile {name}]\nssod_session = s\nssod_account_id = 123456789012\nssod_role_name = R\nregion = us-east-1\n"
        );
    }
    sandbox.write_aws_config(&config);
    // Profile names are percent-encoded before a shell gets them. Folder names are not.
    let runtime = sandbox.home().join("$(touch x)`touch x`'\"\\; touch x #");
    let socket = sandbox.daemon().socket();
    for folder in [&runtime, socket.parent().unwrap()] {
        fs::DirBuilder::new().mode(0o700).create(folder).unwrap();
    }
    let variables =
        [("XDG_RUNTIME_DIR", runtime.to_str().unwrap()), ("SSOD_SOCKET", socket.to_str().unwrap())];
    sandbox.start_daemon_with(&variables);
    let mut valid_names = 0;
    for name in NAMES {
        let environment = sandbox.ssod(&["env", name, "--shell", "json"]);
        if environment.status != 0 {
            // An invalid name was refused before a shell got it.
            assert!(environment.stderr.contains("is neither a profile"), "{name}: {}", environment.stderr);
            continue;
        }
        valid_names += 1;
        let expected: Value = serde_json::from_str(&environment.stdout).unwrap();
        for (shell, line) in [
            (
                "sh",
                r#"eval "$(ssod env "$NAME" --shell sh)"; printenv AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"#,
            ),
            (
                "bash",
                r#"eval "$(ssod env "$NAME" --shell bash)"; printenv AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"#,
            ),
            (
                "zsh",
                r#"eval "$(ssod env "$NAME" --shell zsh)"; printenv AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"#,
            ),
            (
                "fish",
                r#"ssod env "$NAME" --shell fish | source; printenv AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"#,
            ),
        ] {
            let result =
                run(sandbox.command(format!("/usr/bin/{shell}")).args(["-c", line]).env("NAME", name));
            let variable = |name: &str| expected[name].as_str().unwrap();
            let uri = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
            let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
            assert_eq!(result.succeeded(), format!("{uri}\n{file}\n"), "{shell}");
        }
        // Other commands that print names or run programs.
        sandbox.ssod(&["status"]).succeeded();
        sandbox.ssod(&["exec", name, "--", "true"]).failed_with(3);
        sandbox.ssod(&["credential-process", name]).failed_with(3);
        assert!(!sandbox.home().join("x").exists(), "{name} ran a command");
    }
    assert!(valid_names >= 5, "only {valid_names} of the names are valid");
}

#[test]
fn control_characters_in_the_config_file_never_reach_the_terminal() {
    let mut sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.home().join(".aws")).unwrap();
    let text = "[sso-session s\u{1b}[2J]\nsso_start_url = https://x.awsapps.com/start\u{1b}]0;t\u{7}\nsso_region = us-east-1\n\
                [profile p\u{1b}[31m]\nssod_session = s\u{1b}[2J\nssod_account_id = 123456789012\nssod_role_name = R\n";
    fs::write(sandbox.aws_config(), text).unwrap();
    sandbox.start_daemon();
    for command in [&["status"][..], &["list"], &["doctor"], &["env", "p\u{1b}[31m"], &["login", "\u{1b}[2J"]]
    {
        let result = sandbox.ssod(command);
        let output = format!("{}{}", result.stdout, result.stderr);
        assert!(
            !output.chars().any(|character| character.is_control() && character != '\n'),
            "{command:?}: {output:?}"
        );
    }
}
