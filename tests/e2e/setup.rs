//! `configure` and `login` as a new user meets them: what is checked before the first question, what a failure leaves
//! behind, and whether the user who signed in can use what was asked for.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;
use ssod_fake_identity_center::FaultKind;
use ssod_testkit::{ACCOUNT, CommandOutput, Sandbox, TestUser, approve_browser, programs, run, wait_until};

use crate::clients::interop_file;

const EXISTING: &str = "# my own file\n[default]\nregion = eu-west-1\n";

fn run_in_terminal(sandbox: &Sandbox, arguments: &[&str], steps: &serde_json::Value) -> CommandOutput {
    run(sandbox
        .command("/usr/bin/python3")
        .arg(interop_file("terminal.py"))
        .arg(steps.to_string())
        .arg(programs().join("ssod"))
        .args(arguments)
        .env("BROWSER", "/bin/false"))
}

fn config(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.aws_config()).unwrap()
}

/// Flags for a profile of the session `work`.
fn flags<'a>(start_url: &'a str, profile: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut flags = vec!["configure", "--session", "work", "--start-url", start_url, "--region", "us-east-1"];
    flags.extend(["--scopes", "sso:account:access", "--profile", profile]);
    flags.extend(more);
    flags
}

/// Sets a browser that only notes the address that it is to open.
fn set_browser(sandbox: &Sandbox) {
    let opener = sandbox.home().join("opener");
    fs::write(&opener, "#!/bin/sh\nprintf '%s' \"$1\" > \"$HOME/opened\"\n").unwrap();
    run(Command::new("/bin/chmod").arg("+x").arg(&opener)).succeeded();
    sandbox.add_settings(&format!("[login]\nflow = \"pkce\"\nbrowser = \"{}\"\n", opener.display()));
}

/// Starts `configure` in a terminal with flags for everything but the role, and answers the sign-in page as that user.
fn configure_with_sign_in(
    sandbox: &Sandbox,
    user: &str,
    more: &[&str],
    steps: &serde_json::Value,
) -> CommandOutput {
    let start_url = sandbox.fake().start_url();
    let opened = sandbox.home().join("opened");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run_in_terminal(sandbox, &flags(&start_url, "mine", more), steps));
        wait_until("the browser opens", || opened.exists() || running.is_finished());
        if let Ok(url) = fs::read_to_string(&opened) {
            approve_browser(&url, user, true);
            fs::remove_file(&opened).unwrap();
        }
        running.join().unwrap()
    })
}

#[test]
fn a_failed_or_interrupted_sign_in_leaves_the_file_as_it_was() {
    let sandbox = Sandbox::new();
    set_browser(&sandbox);
    sandbox.write_aws_config(EXISTING);
    sandbox.fake().add_fault(FaultKind::Fail, "RegisterClient");
    let start_url = sandbox.fake().start_url();
    let failed = run_in_terminal(&sandbox, &flags(&start_url, "mine", &[]), &json!([]));
    assert_eq!(failed.status, 1, "{}", failed.stdout);
    sandbox.fake().clear_faults();
    assert_eq!(config(&sandbox), EXISTING);
    wait_until("the session is forgotten", || sandbox.daemon().status().sessions.is_empty());

    // Ctrl-C at a question after the sign-in.
    let interrupted = configure_with_sign_in(&sandbox, "alice", &[], &json!([["Role", "\u{3}"]]));
    assert_eq!(interrupted.status, 130, "{}", interrupted.stdout);
    assert_eq!(config(&sandbox), EXISTING);
    wait_until("the session is forgotten", || sandbox.daemon().status().sessions.is_empty());

    // The sign-in is kept, so the next attempt needs none.
    let steps = json!([["Role", "Read\r"], ["Region for AWS calls", "\r"]]);
    run_in_terminal(&sandbox, &flags(&start_url, "mine", &[]), &steps).succeeded();
    assert!(config(&sandbox).starts_with(EXISTING), "{}", config(&sandbox));
    assert!(config(&sandbox).contains("[sso-session work]") && config(&sandbox).contains("[profile mine]"));
    assert_eq!(sandbox.daemon().credentials("mine").status, 200);
}

#[test]
fn a_killed_configure_leaves_neither_a_session_nor_a_changed_file() {
    let sandbox = Sandbox::new();
    sandbox.write_aws_config(EXISTING);
    sandbox.fake().delay("RegisterClient", std::time::Duration::from_secs(30));
    let start_url = sandbox.fake().start_url();
    let arguments = flags(&start_url, "mine", &[]);
    let mut configure = sandbox
        .command("/usr/bin/script")
        .args(["-qec", &format!("{} {}", sandbox.ssod_program(), arguments.join(" ")), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the session is known", || !sandbox.daemon().status().sessions.is_empty());
    assert_eq!(config(&sandbox), EXISTING);
    configure.stdin.take().unwrap().write_all(b"\x03").unwrap();
    configure.kill().unwrap();
    configure.wait().unwrap();
    wait_until("the session is forgotten", || sandbox.daemon().status().sessions.is_empty());
    assert_eq!(config(&sandbox), EXISTING);
}

#[test]
fn what_can_be_checked_is_checked_before_the_first_question() {
    let sandbox = Sandbox::new();
    let start_url = sandbox.fake().start_url();
    // Each terminal has no step, so a question would make the test fail.
    let no_steps = json!([]);
    let refused = |arguments: &[&str], status: i32, words: &[&str]| {
        let output = run_in_terminal(&sandbox, arguments, &no_steps);
        assert_eq!(output.status, status, "{arguments:?}: {}", output.stdout);
        for word in words {
            assert!(output.stdout.contains(word), "{arguments:?}: {}", output.stdout);
        }
    };
    refused(&["configure", "--account", "12"], 2, &["is not a 12-digit AWS account id"]);
    refused(&["configure", "--profile-region", "us-eas-1"], 2, &["Did you mean us-east-1?"]);
    refused(&["configure", "--profile", "a b"], 2, &["a name that every AWS tool can read"]);

    sandbox.write_aws_config("");
    fs::write(sandbox.aws_config(), b"[default]\nregion = \xff\n").unwrap();
    refused(&["configure"], 1, &["line 2 has bytes that are not UTF-8"]);
    fs::remove_file(sandbox.aws_config()).unwrap();
    fs::create_dir(sandbox.aws_config()).unwrap();
    refused(&["configure"], 1, &["is not a regular file"]);
    fs::remove_dir(sandbox.aws_config()).unwrap();

    std::os::unix::fs::symlink(sandbox.home().join("daemon.log/config"), sandbox.aws_config()).unwrap();
    fs::write(sandbox.home().join("daemon.log"), "").unwrap();
    refused(&flags(&start_url, "mine", &["--account", ACCOUNT, "--role", "R"]), 1, &["Cannot read"]);
    fs::remove_file(sandbox.aws_config()).unwrap();

    fs::write(sandbox.home().join(".aws/credentials"), "[mine]\naws_access_key_id = AKIAEXAMPLE\n").unwrap();
    refused(&["configure", "--profile", "mine"], 1, &["already has aws_access_key_id", "line 2"]);
    sandbox.write_aws_config("[profile other]\ncredential_process = /opt/other\n");
    let error =
        sandbox.ssod(&flags(&start_url, "other", &["--account", ACCOUNT, "--role", "R"])).failed_with(2);
    assert!(error.contains("another program") && error.contains("--replace"), "{error}");
    assert_eq!(sandbox.fake().log().len(), 0, "AWS was called before the checks");
}

#[test]
fn a_mistyped_region_is_caught_and_a_new_one_accepted() {
    let sandbox = Sandbox::new();
    let start_url = sandbox.fake().start_url();
    let with_region = |region: &'static str| {
        let flags = flags(&start_url, "mine", &["--account", ACCOUNT, "--role", "R"]);
        flags.iter().map(|flag| if *flag == "us-east-1" { region } else { flag }).collect::<Vec<_>>()
    };
    for (typed, meant) in [("us-eas-1", "us-east-1"), ("eu-wset-1", "eu-west-1"), ("useast1", "us-east-1")] {
        let error = sandbox.ssod(&with_region(typed)).failed_with(2);
        assert!(error.contains(&format!("Did you mean {meant}?")), "{error}");
    }
    assert!(!sandbox.aws_config().exists());
    let output = sandbox.ssod(&with_region("us-east-9"));
    assert!(output.stderr.contains("ssod does not know the region us-east-9"), "{}", output.stderr);
    output.succeeded();
    let steps = json!([
        ["SSO session name", "new\r"],
        ["SSO start URL", "\u{15}https://d-1234567890.awsapps.com/start\r"],
        ["SSO region", "\u{15}us-esat-1\r"],
        ["did you mean us-east-1?", "\u{3}"],
    ]);
    assert_eq!(run_in_terminal(&sandbox, &["configure"], &steps).status, 130);
}

#[test]
fn a_sign_in_as_another_user_is_reported_and_kept() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let other = TestUser { name: "bob", ..TestUser::ADMIN };
    let error = sandbox.login(other).failed_with(1);
    for words in [
        "This user has one account: ReadOnlyRole in Production (123456789012)",
        "does not have AdminRole in 123456789012, which profile adminUser needs",
        "ssod login adminUser --no-browser",
        "private window",
    ] {
        assert!(error.contains(words), "{error}");
    }
    let status = sandbox.daemon().status();
    assert_eq!(status.sessions[0].state, ssod_control::SessionState::Active, "{status:?}");
    // The right user signs in after that.
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn the_sign_in_that_exec_offers_is_checked_too() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let login =
        sandbox.login_with(TestUser::ADMIN.session, &[], |event| sandbox.fake().approve(event, "bob"));
    login.failed_with(1);
    let error = sandbox.ssod(&["exec", "adminUser", "--", "true"]).failed_with(1);
    assert!(error.contains("adminUser"), "{error}");
}

#[test]
fn a_session_reports_which_of_its_profiles_work() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let start_url = sandbox.fake().start_url();
    let session = TestUser::ADMIN.session;
    let reader = ["configure", "--profile", "reader", "--session", session, "--start-url", &start_url];
    let reader =
        [&reader[..], &["--region", "us-east-1", "--account", ACCOUNT, "--role", "ReadOnlyRole"]].concat();
    sandbox.ssod(&reader).succeeded();
    let login =
        |user: &'static str| sandbox.login_with(session, &[], |event| sandbox.fake().approve(event, user));
    let as_bob = login("bob");
    assert!(as_bob.stderr.contains("adminUser (AdminRole in 123456789012)"), "{}", as_bob.stderr);
    as_bob.succeeded();
    let as_alice = login("alice");
    assert_eq!(as_alice.stderr, "", "both work");
    as_alice.succeeded();
}

#[test]
fn an_outage_after_the_sign_in_is_only_a_warning() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    sandbox.fake().add_fault(FaultKind::Fail, "GetRoleCredentials");
    sandbox.fake().add_fault(FaultKind::Fail, "ListAccounts");
    for name in [TestUser::ADMIN.profile, TestUser::ADMIN.session] {
        let output = sandbox.login_with(name, &[], |event| sandbox.fake().approve(event, "alice"));
        assert!(output.stderr.contains("cannot check"), "{}", output.stderr);
        output.succeeded();
    }
}

#[test]
fn configure_writes_only_a_role_that_is_assigned_if_the_user_is_signed_in() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let before = config(&sandbox);
    let start_url = sandbox.fake().start_url();
    let session = TestUser::ADMIN.session;
    let with = |profile: &'static str, account: &'static str, role: &'static str| {
        let place = ["configure", "--session", session, "--start-url", &start_url, "--region", "us-east-1"];
        let role = ["--profile", profile, "--account", account, "--role", role];
        sandbox.ssod(&[&place[..], &role[..]].concat())
    };
    for (account, role) in [(ACCOUNT, "AdminRoll"), ("999999999999", "AdminRole")] {
        let error = with("new", account, role).failed_with(1);
        assert!(error.contains(&format!("does not have {role} in {account}")), "{error}");
        assert!(error.contains("AdminRole in Production (123456789012)"), "{error}");
    }
    // Only one of the two flags: the choice from what is assigned is checked as well.
    let error = sandbox
        .ssod(&["configure", "--session", session, "--profile", "new", "--role", "AdminRoll"])
        .failed_with(1);
    assert!(error.contains("does not have AdminRoll"), "{error}");
    assert_eq!(config(&sandbox), before);
    with("new", ACCOUNT, "ReadOnlyRole").succeeded();
    // Without a sign-in the role cannot be checked, and the profile is written.
    sandbox.ssod(&["logout"]).succeeded();
    with("unchecked", ACCOUNT, "AdminRoll").succeeded();
}

#[test]
fn a_failed_sign_in_at_another_start_url_costs_no_sign_in() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let before = config(&sandbox);
    let other = format!("{}x", sandbox.fake().start_url());
    sandbox.fake().add_fault(FaultKind::Fail, "CreateToken");
    sandbox.fake().add_fault(FaultKind::Fail, "StartDeviceAuthorization");
    let arguments = ["configure", "--session", TestUser::ADMIN.session, "--start-url", &other, "--replace"];
    let arguments = [&arguments[..], &["--profile", "adminUser", "--scopes", "sso:account:access"]].concat();
    let output = run(sandbox
        .command("/usr/bin/python3")
        .arg(interop_file("terminal.py"))
        .arg("[]")
        .arg(programs().join("ssod"))
        .args(&arguments)
        .env("SSH_CONNECTION", "x"));
    assert_eq!(output.status, 1, "{}", output.stdout);
    sandbox.fake().clear_faults();
    assert_eq!(config(&sandbox), before);
    wait_until("the session is as it was", || {
        sandbox.daemon().status().sessions[0].state == ssod_control::SessionState::Active
    });
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}
