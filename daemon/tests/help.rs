//! The help text and the version of the program.

use std::process::Command;

fn output_of(argument: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ssod-daemon"))
        .arg(argument)
        .output()
        .expect("the daemon's program runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

#[test]
fn help_and_version() {
    let version = output_of("--version");
    assert!(
        version.starts_with(concat!("ssod-daemon ", env!("CARGO_PKG_VERSION"), " (commit ")),
        "{version}"
    );
    insta::assert_snapshot!(output_of("--help"));
}
