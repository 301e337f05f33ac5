//! Answers ssod's questions in a real terminal.

use std::fs;

use serde_json::json;
use ssod_testkit::{CommandOutput, Sandbox, TestUser, programs, run};

use crate::clients::interop_file;

/// Runs `ssod` in a terminal, and types each answer when its question is shown.
fn run_in_terminal(sandbox: &Sandbox, arguments: &[&str], steps: &serde_json::Value) -> CommandOutput {
    let mut command = sandbox.command("/usr/bin/python3");
    command
        .arg(interop_file("terminal.py"))
        .arg(steps.to_string())
        .arg(programs().join("ssod"))
        .args(arguments);
    run(&mut command)
}

#[test]
fn configure_offers_assigned_roles_and_asks_again_after_an_invalid_answer() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let steps = json!([
        ["SSO session name", "\r"],
        ["Role", "Read\r"],
        ["Profile name", "bad name\r"],
        ["is not a name that every AWS tool can read", "\u{15}mine\r"],
        ["Region for AWS calls", "eu-west-1\r"],
    ]);
    let output = run_in_terminal(&sandbox, &["configure"], &steps).succeeded();
    assert!(output.contains("Account: Production (123456789012) (the only one)"), "{output}");
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    let profile = config.split("[profile mine]").nth(1).unwrap_or_else(|| panic!("{output}\n{config}"));
    assert!(profile.contains("ssod_role_name = ReadOnlyRole\nregion = eu-west-1\n"), "{profile}");
}

#[test]
fn exec_offers_a_sign_in_and_ctrl_c_restores_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.ssod(&["status"]).succeeded();
    let refused =
        run_in_terminal(&sandbox, &["exec", "adminUser", "--", "true"], &json!([["Sign in now?", "n"]]));
    assert_eq!(refused.status, 3, "{}", refused.stdout);
    sandbox.configure(TestUser::READ_ONLY);
    let interrupted = run_in_terminal(&sandbox, &["use"], &json!([["Use", "\u{3}"]]));
    assert_eq!(interrupted.status, 130, "{}", interrupted.stdout);
    let last_hidden = interrupted.stdout.rfind("\u{1b}[?25l");
    let last_shown = interrupted.stdout.rfind("\u{1b}[?25h");
    assert!(last_shown > last_hidden, "the cursor stays hidden: {:?}", interrupted.stdout);
    let output = run_in_terminal(&sandbox, &["use"], &json!([["Use", "read\r"]])).succeeded();
    assert!(output.contains("The active profile is readOnlyUser"), "{output}");
}
