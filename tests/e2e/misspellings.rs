//! Misspelled names get a suggestion, and mistakes in `config.toml` are explained with their line, in the same words at
//! the start, at a live change, and in `status` and `doctor`.

use std::fs;
use std::net::TcpStream;
use std::process::Stdio;

use ssod_control::AuditVia;
use ssod_testkit::{Sandbox, TestUser, free_port, run, wait_until};

/// The number of lines that `add_settings` writes before the test's own.
const LINES_BEFORE: usize = 4;

fn settings_file(sandbox: &Sandbox) -> String {
    sandbox.home().join(".config/ssod/config.toml").display().to_string()
}

fn problems(sandbox: &Sandbox) -> String {
    sandbox.daemon().problems().join("\n")
}

#[test]
fn every_command_suggests_the_name_that_was_meant() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let own_names = [
        &["login", "adminUsr"][..],
        &["logout", "adminusr"],
        &["use", "admin-user"],
        &["env", "admin"],
        &["env", "admniUser", "--imds"],
        &["exec", "AdminUser", "--", "true"],
        &["credential-process", "adminUser1"],
        &["list", "adminUsr"],
        &["configure", "--convert", "adminUsr"],
    ];
    for command in own_names {
        let error = sandbox.ssod(command).failed_with(1);
        assert!(error.contains("hint: Did you mean \"adminUser\"? To"), "{command:?}: {error}");
    }
    for command in ["login", "logout", "list"] {
        let error = sandbox.ssod(&[command, "sso-session-adminUsr"]).failed_with(1);
        assert!(error.contains("Did you mean \"sso-session-adminUser\"?"), "{command}: {error}");
    }
    for command in ["login", "use", "env"] {
        let error = sandbox.ssod(&[command, "billing"]).failed_with(1);
        assert!(
            !error.contains("Did you mean") && error.contains("hint: To see all names"),
            "{command}: {error}"
        );
    }
}

#[test]
fn audit_suggests_a_profile_of_the_log() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    wait_until("the request is in the log", || {
        sandbox.daemon().audit_log().iter().any(|entry| entry.via == AuditVia::Container)
    });
    let warning = sandbox.ssod(&["audit", "--profile", "adminusr"]).stderr;
    assert_eq!(warning.trim(), "No line matches. Did you mean \"adminUser\"?");
}

#[test]
fn a_mistake_in_the_settings_has_the_same_words_at_the_start_and_at_a_live_change() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let file = settings_file(&sandbox);
    for (lines, line, message, remedy) in [
        (
            "[imds]\nenabled = \"yes\"\n",
            2,
            "enabled under [imds] is \"yes\", but must be true or false without quotation marks, such as enabled = true",
            "Fix line 6: did you mean enabled = true?",
        ),
        (
            "[refesh]\nkeep_fresh = \"all\"\n",
            1,
            "there is no table \"refesh\"; the tables are [endpoint], [imds], [network], [vault], [refresh], [login], [lock], [log], [notifications] and [aws_cli]",
            "Fix line 5: did you mean [refresh]?",
        ),
        (
            "[refresh]\nidle_after = 12h\n",
            2,
            "the value of idle_after must be a text in quotation marks (\"file\"), a number (7746), true, false, or a list ([\"adminUser\"])",
            "Fix line 6: did you mean idle_after = \"12h\"?",
        ),
    ] {
        let sentence = format!("{file} line {}: {message}.", line + LINES_BEFORE);
        sandbox.add_settings(lines);
        let printed = run(sandbox.daemon_command().stderr(Stdio::piped())).failed_with(1);
        assert_eq!(printed.trim(), format!("error: {}\nhint: {remedy}", sentence.trim_end_matches('.')));
        let error = sandbox.ssod(&["status"]).failed_with(4);
        assert_eq!(error.trim(), format!("error: The ssod daemon ended at once: {sentence}\nhint: {remedy}"));

        sandbox.add_settings("");
        sandbox.start_daemon();
        sandbox.add_settings(lines);
        let live = format!("{sentence} {remedy} Until then, ssod keeps the settings that it has");
        wait_until("the mistake is reported", || problems(&sandbox) == live);
        let doctor = sandbox.ssod(&["doctor"]).stdout;
        assert!(doctor.contains(&sentence) && doctor.contains(remedy), "{doctor}");
        sandbox.add_settings("");
        wait_until("the fixed file is used", || problems(&sandbox).is_empty());
        sandbox.daemon().kill();
    }
}

#[test]
fn unknown_profiles_in_the_settings_are_reported_until_they_exist() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let port = free_port();
    sandbox.add_settings(&format!(
        "[refresh]\nkeep_fresh = [\"adminUsr\"]\n[imds.profiles]\nadminUser = {port}\nreadOnlyUser = {}\n",
        free_port()
    ));
    sandbox.start_daemon();
    let file = settings_file(&sandbox);
    let what = "which is not a profile with an Identity Center role in the AWS config file";
    assert_eq!(
        sandbox.daemon().problems(),
        [
            format!(
                "{file} line 6: [refresh] keep_fresh names \"adminUsr\", {what}. Fix line 6. Did you mean \"adminUser\"?"
            ),
            format!(
                "{file} line 9: [imds] profiles names \"readOnlyUser\", {what}. Fix line 9, or add the profile: ssod configure --profile readOnlyUser"
            ),
        ]
    );
    let doctor = sandbox.ssod(&["doctor"]).stdout;
    assert!(doctor.contains("line 6: [refresh] keep_fresh names \"adminUsr\""), "{doctor}");
    wait_until("the IMDS port is open", || TcpStream::connect(("127.0.0.1", port)).is_ok());

    sandbox.configure(TestUser::READ_ONLY);
    sandbox.daemon().reload();
    assert_eq!(sandbox.daemon().problems().len(), 1, "the profile exists now: {}", problems(&sandbox));
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    sandbox.write_aws_config(&config.replace("[profile adminUser]", "[profile adminUsr]"));
    sandbox.daemon().reload();
    assert!(
        problems(&sandbox).contains("line 8: [imds] profiles names \"adminUser\""),
        "{}",
        problems(&sandbox)
    );
}

#[test]
fn an_imds_port_that_is_the_endpoints_or_another_profiles_is_explained() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let (endpoint, shared) = (sandbox.daemon().port(), free_port());
    sandbox.add_settings(&format!("[imds.profiles]\nb = {shared}\na = {shared}\n"));
    let error = sandbox.ssod(&["status"]).failed_with(4);
    assert!(
        error.contains(&format!("line 7: a has port {shared}, which b has already; each profile")),
        "{error}"
    );
    assert!(error.contains("hint: Fix line 7"), "{error}");

    // The settings do not name the endpoint's port; ssod remembers it.
    sandbox.add_settings("");
    sandbox.start_daemon();
    sandbox.write_settings(&format!("[vault]\nkey = \"file\"\n[imds.profiles]\nadminUser = {endpoint}\n"));
    let expected = format!("line 4: adminUser has port {endpoint}, which is the port of ssod's endpoint");
    wait_until("the conflict is reported", || problems(&sandbox).contains(&expected));
    assert!(problems(&sandbox).contains("Fix line 4") && !problems(&sandbox).contains("is taken"));
    let ports = run(sandbox.daemon_command().arg("--print-ports").stderr(Stdio::piped())).failed_with(1);
    assert!(ports.contains(&expected) && ports.contains("hint: Fix line 4"), "{ports}");
}
