//! What a person sees and types in a real terminal.

use std::fs;

use serde_json::json;
use ssod_testkit::{Finished, Person, Sandbox, programs, run};

use crate::clients::program;

/// Runs `ssod` in a terminal, typing each answer when its question stands there.
fn type_into(sandbox: &Sandbox, arguments: &[&str], steps: &serde_json::Value) -> Finished {
    let mut command = sandbox.command("/usr/bin/python3");
    command.arg(program("terminal.py")).arg(steps.to_string()).arg(programs().join("ssod")).args(arguments);
    run(&mut command)
}

#[test]
fn configure_asks_offers_what_is_assigned_and_asks_again_after_a_wrong_answer() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let steps = json!([
        ["SSO session name", "\r"],
        ["Role", "Read\r"],
        ["Profile name", "bad name\r"],
        ["is not a name that every AWS tool can read", "\u{15}mine\r"],
        ["Region for AWS calls", "eu-west-1\r"],
    ]);
    let shown = type_into(&sandbox, &["configure"], &steps).succeeded();
    assert!(shown.contains("Account: Production (123456789012) (the only one)"), "{shown}");
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    let profile = text.split("[profile mine]").nth(1).unwrap_or_else(|| panic!("{shown}\n{text}"));
    assert!(profile.contains("ssod_role_name = ReadOnlyRole\nregion = eu-west-1\n"), "{profile}");
}

#[test]
fn exec_asks_whether_to_sign_in_and_ctrl_c_gives_the_terminal_back() {
    let sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.ssod(&["status"]).succeeded();
    let no = type_into(&sandbox, &["exec", "adminUser", "--", "true"], &json!([["Sign in now?", "n"]]));
    assert_eq!(no.status, 3, "{}", no.stdout);
    sandbox.configure(Person::READ_ONLY);
    let interrupted = type_into(&sandbox, &["use"], &json!([["Use", "\u{3}"]]));
    assert_eq!(interrupted.status, 130, "{}", interrupted.stdout);
    let last_hidden = interrupted.stdout.rfind("\u{1b}[?25l");
    let last_shown = interrupted.stdout.rfind("\u{1b}[?25h");
    assert!(last_shown > last_hidden, "the cursor is back: {:?}", interrupted.stdout);
    let chosen = type_into(&sandbox, &["use"], &json!([["Use", "read\r"]])).succeeded();
    assert!(chosen.contains("The active profile is readOnlyUser"), "{chosen}");
}
