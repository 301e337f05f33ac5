//! The program stands in the target folder, and its help is what a new user reads first.

use std::process::Command;

fn said(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ssod")).args(arguments).output().expect("it runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn help_and_version() {
    let version = said(&["--version"]);
    assert!(version.starts_with(concat!("ssod ", env!("CARGO_PKG_VERSION"), " (commit ")), "{version}");
    insta::assert_snapshot!(said(&["--help"]));
}

#[test]
fn every_command_explains_itself() {
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
        "service",
    ] {
        let help = said(&[command, "--help"]);
        assert!(help.len() > 150 && help.contains("Usage: ssod"), "{command}: {help}");
    }
}
