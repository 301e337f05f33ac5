//! Bad input of every kind: one clear error that says what to do, and nothing is lost.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Stdio;

use serde_json::{Value, json};
use ssod_testkit::{ACCOUNT, Person, Sandbox, approve_browser, programs, run};

fn daemon_refuses(sandbox: &Sandbox) -> String {
    run(sandbox.command(programs().join("ssod-daemon")).stderr(Stdio::piped())).failed_with(1)
}

#[test]
fn no_config_file_and_an_unknown_profile() {
    let sandbox = Sandbox::new();
    assert!(sandbox.ssod(&["status"]).succeeded().contains("Add one: ssod configure"));
    let unknown = sandbox.ssod(&["credential-process", "nobody"]).failed_with(1);
    assert!(unknown.contains("\"nobody\" is neither"), "{unknown}");
    for command in [&["login", "nobody"][..], &["use", "nobody"], &["env", "nobody"]] {
        let unknown = sandbox.ssod(command).failed_with(1);
        assert!(unknown.contains("\"nobody\" is neither") && unknown.contains("hint:"), "{unknown}");
    }
}

#[test]
fn a_sessions_name_where_a_profile_is_needed() {
    let sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    for command in ["env", "use"] {
        let refused = sandbox.ssod(&[command, "sso-session-adminUser"]).failed_with(1);
        assert!(
            refused.contains("is an sso-session") && refused.contains("profiles are: adminUser"),
            "{refused}"
        );
    }
}

#[test]
fn a_broken_config_file_and_a_profile_without_sso_keys() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.home().join(".aws")).unwrap();
    fs::write(sandbox.aws_config(), "[profile keys]\nregion = us-east-1\n").unwrap();
    let refused = sandbox.ssod(&["credential-process", "keys"]).failed_with(1);
    assert!(refused.contains("\"keys\" is neither a profile with an Identity Center role"), "{refused}");
    fs::write(sandbox.aws_config(), "[profile keys\n").unwrap();
    sandbox.eventually("it is reported", || {
        sandbox.ssod(&["status"]).stdout.contains("line 1: expected a closing ]")
    });
    let refused = sandbox.ssod(&["configure", "--convert", "keys"]).failed_with(1);
    assert!(refused.contains("line 1: expected a closing ]"), "{refused}");
}

#[test]
fn a_role_that_is_not_assigned_asks_for_no_new_login() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person { role: "AdminRole", ..Person::READ_ONLY });
    sandbox.start_daemon();
    sandbox.login(Person::READ_ONLY).succeeded();
    let refused = sandbox.ssod(&["credential-process", "readOnlyUser"]).failed_with(1);
    assert!(
        refused.contains("has no access to role AdminRole") && !refused.contains("ssod login"),
        "{refused}"
    );
    let reply = sandbox.credentials("readOnlyUser");
    assert_eq!((reply.status, &reply.json()["code"]), (403, &"NoAccess".into()));
    assert_eq!(sandbox.status()["sessions"][0]["state"], "active");
    // Once it is assigned, a new sign-in clears the refusal at once.
    sandbox.tell_fake("add-assignment", &json!({ "user": "bob", "account": ACCOUNT, "role": "AdminRole" }));
    sandbox.login(Person::READ_ONLY).succeeded();
    assert_eq!(sandbox.credentials("readOnlyUser").status, 200);
}

#[test]
fn a_port_that_is_taken_is_an_error_and_never_a_move() {
    let sandbox = Sandbox::new();
    let _holder = TcpListener::bind(("127.0.0.1", sandbox.port)).unwrap();
    let refused = daemon_refuses(&sandbox);
    assert!(refused.contains(&format!("port {} on 127.0.0.1 is taken", sandbox.port)), "{refused}");
    let through_client = sandbox.ssod(&["status"]).failed_with(4);
    assert!(through_client.contains("is taken") && through_client.contains("hint:"), "{through_client}");
}

#[test]
fn a_denied_approval_and_a_code_that_nobody_confirms() {
    let mut sandbox = Sandbox::with_fake(&ssod_testkit::FakeOptions {
        arguments: ["--device-code-life", "2s"].map(str::to_owned).to_vec(),
        ..Default::default()
    });
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    let denied = sandbox.login_by("adminUser", &[], |event, _| {
        let page = approve_browser(event["url"].as_str().unwrap(), "alice", false);
        assert!(page.body.contains("You denied the sign-in"), "{}", page.body);
    });
    assert!(denied.failed_with(1).contains("denied in the browser"));
    let expired = sandbox.login_by("adminUser", &["--device-code"], |_, _| {});
    assert!(expired.failed_with(1).contains("The sign-in was not approved in time"));
    assert_eq!(sandbox.status()["sessions"][0]["state"], "signed_out");
}

#[test]
fn the_fake_gone_and_answers_that_are_not_json() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    sandbox.fault("garbage", "GetRoleCredentials");
    sandbox.tell_fake("clock", &json!({ "advance_ms": 0 }));
    let file = sandbox.aws_config();
    let text = fs::read_to_string(&file).unwrap();
    // Another profile of the same session has nothing in memory yet.
    fs::write(&file, format!("{text}\n[profile second]\nssod_session = {}\nssod_account_id = {ACCOUNT}\nssod_role_name = ReadOnlyRole\n", Person::ADMIN.session)).unwrap();
    sandbox.eventually("it is known", || sandbox.profile_status("second") != Value::Null);
    let garbled = sandbox.ssod(&["credential-process", "second"]).failed_with(1);
    assert!(garbled.contains("something that is not JSON"), "{garbled}");
    assert_eq!(sandbox.credentials("adminUser").status, 200, "what is good is served all the same");
    sandbox.clear_faults();
    sandbox.eventually("it recovers by itself", || sandbox.credentials("second").status == 200);

    sandbox.stop_fake();
    let gone = sandbox.login_by("adminUser", &["--device-code"], |_, _| {});
    let said = gone.failed_with(1);
    assert!(said.contains("annot reach 127.0.0.1") && said.contains("hint:"), "{said}");
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}

#[test]
fn a_runtime_folder_with_wide_modes_is_mended_and_anothers_is_refused() {
    let mut sandbox = Sandbox::new();
    let runtime = sandbox.home().join("run/ssod");
    fs::create_dir(&runtime).unwrap();
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o777)).unwrap();
    sandbox.start_daemon();
    assert_eq!(fs::metadata(&runtime).unwrap().permissions().mode() & 0o777, 0o700);
    sandbox.daemon().kill();

    fs::remove_dir_all(&runtime).unwrap();
    symlink(sandbox.home(), &runtime).unwrap();
    assert!(daemon_refuses(&sandbox).contains("a symlink to one is not accepted"));
    fs::remove_file(&runtime).unwrap();
    fs::create_dir(&runtime).unwrap();
    chown(&runtime, Some(65_534), None).unwrap();
    assert!(daemon_refuses(&sandbox).contains("belongs to user 65534"));
}

#[test]
fn wrong_settings_end_the_daemon_with_the_line() {
    let sandbox = Sandbox::new();
    sandbox.settings("[refresh]\nkeep_freshh = \"all\"\n");
    assert!(daemon_refuses(&sandbox).contains("line 6: unknown field `keep_freshh`"));
}

#[test]
fn a_lost_key_sets_the_sign_in_aside_and_says_so() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    sandbox.daemon().kill();
    let place = fs::read_to_string(sandbox.state().join("vault/key-store")).unwrap();
    let id = place.split_whitespace().nth(1).unwrap();
    fs::remove_file(sandbox.state().join(format!("vault/key-{id}"))).unwrap();
    sandbox.start_daemon();
    let text = sandbox.ssod(&["status"]).succeeded();
    assert!(text.contains("sealed under another key") && text.contains("ssod login"), "{text}");
    let kept = fs::read_dir(sandbox.state().join("vault")).unwrap();
    let kept =
        kept.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("set-aside"));
    assert!(kept.count() >= 2);
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}

#[test]
fn exec_without_a_sign_in_ends_with_3_and_runs_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    let marker = sandbox.home().join("ran");
    let refused =
        sandbox.ssod(&["exec", "adminUser", "--", "touch", marker.to_str().unwrap()]).failed_with(3);
    assert!(refused.contains("ssod login adminUser"), "{refused}");
    assert!(!marker.exists());
    assert_eq!(sandbox.ssod(&["exec", "adminUser"]).status, 2);
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.ssod(&["exec", "adminUser", "--", "sh", "-c", "exit 42"]).status, 42);
    assert_eq!(sandbox.ssod(&["exec", "adminUser", "--", "no-such-command"]).status, 127);
}
