//! The help of the program and of every command, which is what a new user reads first.

use std::process::Command;

fn stdout(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ssod")).args(arguments).output().expect("it runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn help_and_version() {
    let version = stdout(&["--version"]);
    assert!(version.starts_with(concat!("ssod ", env!("CARGO_PKG_VERSION"), " (commit ")), "{version}");
    insta::assert_snapshot!(stdout(&["--help"]));
}

#[test]
fn every_command_has_help_with_a_usage_line() {
    for command in [
        "configure",
        "login",
        "logout",
        "use",
        "env",
        "exec",
        "credential-process",
        "list",
        "status",
        "doctor",
        "lock",
        "unlock",
        "vault",
        "audit",
        "service",
        "completions",
        "man",
    ] {
        let help = stdout(&[command, "--help"]);
        assert!(help.len() > 150 && help.contains("Usage: ssod"), "{command}: {help}");
    }
}
