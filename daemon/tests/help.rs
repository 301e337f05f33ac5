//! The program stands in the target folder, and says what it is.

use std::process::Command;

fn said(argument: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ssod-daemon")).arg(argument).output().expect("it runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn help_and_version() {
    let version = said("--version");
    assert!(
        version.starts_with(concat!("ssod-daemon ", env!("CARGO_PKG_VERSION"), " (commit ")),
        "{version}"
    );
    insta::assert_snapshot!(said("--help"));
}
