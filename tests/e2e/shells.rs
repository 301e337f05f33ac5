//! What a hostile config file can make a shell do: nothing (T18).

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
fn no_profiles_name_makes_any_shell_run_anything() {
    let mut sandbox = Sandbox::new();
    let mut config =
        format!("[sso-session s]\nsso_start_url = {}\nsso_region = us-east-1\n", sandbox.start_url());
    for name in NAMES {
        config += &format!(
            "[profile {name}]\nssod_session = s\nssod_account_id = 123456789012\nssod_role_name = R\nregion = us-east-1\n"
        );
    }
    fs::create_dir_all(sandbox.home().join(".aws")).unwrap();
    fs::write(sandbox.aws_config(), config).unwrap();
    // Names are percent-encoded before a shell sees them; a folder's name is not.
    let runtime = sandbox.home().join("$(touch x)`touch x`'\"\\; touch x #");
    let socket = sandbox.home().join("run/ssod/control.sock");
    for folder in [&runtime, socket.parent().unwrap()] {
        fs::DirBuilder::new().mode(0o700).create(folder).unwrap();
    }
    let variables =
        [("XDG_RUNTIME_DIR", runtime.to_str().unwrap()), ("SSOD_SOCKET", socket.to_str().unwrap())];
    sandbox.start_daemon_with(&variables);
    let mut tried = 0;
    for name in NAMES {
        let wanted = sandbox.ssod(&["env", name, "--shell", "json"]);
        if wanted.status != 0 {
            // A name that is no name at all was refused before any shell saw it.
            assert!(wanted.stderr.contains("is neither a profile"), "{name}: {}", wanted.stderr);
            continue;
        }
        tried += 1;
        let wanted: Value = serde_json::from_str(&wanted.stdout).unwrap();
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
            let done = run(sandbox.command(format!("/usr/bin/{shell}")).args(["-c", line]).env("NAME", name));
            let variable = |name: &str| wanted[name].as_str().unwrap();
            let uri = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
            let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
            assert_eq!(done.succeeded(), format!("{uri}\n{file}\n"), "{shell}");
        }
        // What prints names and runs commands besides.
        sandbox.ssod(&["status"]).succeeded();
        sandbox.ssod(&["exec", name, "--", "true"]).failed_with(3);
        sandbox.ssod(&["credential-process", name]).failed_with(3);
        assert!(!sandbox.home().join("x").exists(), "{name} was run");
    }
    assert!(tried >= 5, "{tried} of these names are names");
}

#[test]
fn control_characters_in_the_file_never_reach_the_terminal() {
    let mut sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.home().join(".aws")).unwrap();
    let text = "[sso-session s\u{1b}[2J]\nsso_start_url = https://x.awsapps.com/start\u{1b}]0;t\u{7}\nsso_region = us-east-1\n\
                [profile p\u{1b}[31m]\nssod_session = s\u{1b}[2J\nssod_account_id = 123456789012\nssod_role_name = R\n";
    fs::write(sandbox.aws_config(), text).unwrap();
    sandbox.start_daemon();
    for command in [&["status"][..], &["list"], &["doctor"], &["env", "p\u{1b}[31m"], &["login", "\u{1b}[2J"]]
    {
        let done = sandbox.ssod(command);
        let shown = format!("{}{}", done.stdout, done.stderr);
        assert!(
            !shown.chars().any(|character| character.is_control() && character != '\n'),
            "{command:?}: {shown:?}"
        );
    }
}
