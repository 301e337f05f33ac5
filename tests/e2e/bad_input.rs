//! Invalid input causes one clear error that tells the user what to do, and nothing is lost.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Stdio;
use std::{env, fs};

use ssod_control::SessionState;
use ssod_testkit::{ACCOUNT, FakeOptions, FaultKind, Sandbox, TestUser, approve_browser, run, wait_until};

/// Runs the daemon, which must fail, and returns its error.
fn daemon_error(sandbox: &Sandbox) -> String {
    run(sandbox.daemon_command().stderr(Stdio::piped())).failed_with(1)
}

#[test]
fn an_unknown_profile_is_named_even_without_a_config_file() {
    let sandbox = Sandbox::new();
    assert!(sandbox.ssod(&["status"]).succeeded().contains("Add one: ssod configure"));
    let error = sandbox.ssod(&["credential-process", "unknown"]).failed_with(1);
    assert!(error.contains("\"unknown\" is neither"), "{error}");
    for command in [&["login", "unknown"][..], &["use", "unknown"], &["env", "unknown"]] {
        let error = sandbox.ssod(command).failed_with(1);
        assert!(error.contains("\"unknown\" is neither") && error.contains("hint:"), "{error}");
    }
}

#[test]
fn a_session_name_is_refused_where_a_profile_is_required() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    for command in ["env", "use"] {
        let error = sandbox.ssod(&[command, "sso-session-adminUser"]).failed_with(1);
        assert!(error.contains("is an sso-session") && error.contains("profiles are: adminUser"), "{error}");
    }
}

#[test]
fn a_broken_config_file_and_a_profile_without_a_role_are_reported() {
    let sandbox = Sandbox::new();
    sandbox.write_aws_config("[profile keys]\nregion = us-east-1\n");
    let error = sandbox.ssod(&["credential-process", "keys"]).failed_with(1);
    assert!(error.contains("\"keys\" is neither a profile with an Identity Center role"), "{error}");
    sandbox.write_aws_config("[profile keys\n");
    wait_until("the broken file is reported", || {
        sandbox.ssod(&["status"]).stdout.contains("line 1: expected a closing ]")
    });
    let error = sandbox.ssod(&["configure", "--convert", "keys"]).failed_with(1);
    assert!(error.contains("Perhaps because of line 1: expected a closing ]"), "{error}");
}

#[test]
fn a_role_that_is_not_assigned_requires_no_new_sign_in() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser { role: "AdminRole", ..TestUser::READ_ONLY });
    sandbox.start_daemon();
    let error = sandbox.login(TestUser::READ_ONLY).failed_with(1);
    assert!(error.contains("does not have AdminRole"), "{error}");
    let error = sandbox.ssod(&["credential-process", "readOnlyUser"]).failed_with(1);
    assert!(error.contains("has no access to role AdminRole") && !error.contains("ssod login"), "{error}");
    let reply = sandbox.daemon().credentials("readOnlyUser");
    assert_eq!((reply.status, &reply.json()["code"]), (403, &"NoAccess".into()));
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
    // After the role is assigned, a new sign-in clears the refusal at once.
    sandbox.fake().assign("bob", "AdminRole");
    sandbox.login(TestUser::READ_ONLY).succeeded();
    assert_eq!(sandbox.daemon().credentials("readOnlyUser").status, 200);
}

#[test]
fn a_taken_port_is_an_error_and_no_other_port_is_used() {
    let sandbox = Sandbox::new();
    let port = sandbox.daemon().port();
    let _other_program = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = daemon_error(&sandbox);
    assert!(error.contains(&format!("port {port} on 127.0.0.1 is taken")), "{error}");
    let own = format!("(process {}, {}) holds it", std::process::id(), env::current_exe().unwrap().display());
    assert!(error.contains(&own) && error.contains(&format!("kill {}", std::process::id())), "{error}");
    let error = sandbox.ssod(&["status"]).failed_with(4);
    assert!(error.contains("is taken") && error.contains("hint:"), "{error}");
}

#[test]
fn the_ssod_of_another_home_folder_that_has_the_port_is_named() {
    let mut other = Sandbox::new();
    other.start_daemon();
    let sandbox = Sandbox::new();
    let port = other.daemon().port();
    sandbox.write_settings(&format!("[endpoint]\nport = {port}\n[vault]\nkey = \"file\"\n"));
    let named = format!(
        "port {port} on 127.0.0.1 is taken: the ssod of another HOME, {} (process {}), holds it",
        other.home().display(),
        other.daemon().status().daemon.pid
    );
    let error = daemon_error(&sandbox);
    assert!(error.contains(&named), "{error}");

    // The same for a port of IMDS, while the daemon runs.
    let mut with_imds = Sandbox::new();
    with_imds.add_settings(&format!("[imds]\nprofiles = {{ adminUser = {port} }}\n"));
    with_imds.start_daemon();
    let is_reported = || with_imds.daemon().problems().iter().any(|problem| problem.contains(&named));
    wait_until("the port's holder is reported", is_reported);
}

#[test]
fn a_denied_sign_in_and_an_expired_device_code_are_reported() {
    let mut sandbox = Sandbox::with_fake(&FakeOptions::arguments(&["--device-code-life", "2s"]));
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    let denied = sandbox.login_with("adminUser", &[], |event| {
        let page = approve_browser(event["url"].as_str().unwrap(), "alice", false);
        assert!(page.body.contains("You denied the sign-in"), "{}", page.body);
    });
    assert!(denied.failed_with(1).contains("denied in the browser"));
    let expired = sandbox.login_with("adminUser", &["--device-code"], |_| {});
    assert!(expired.failed_with(1).contains("The sign-in was not approved in time"));
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::SignedOut);
}

#[test]
fn invalid_answers_and_an_unreachable_aws_are_reported_and_valid_credentials_are_served() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    sandbox.fake().add_fault(FaultKind::Garbage, "GetRoleCredentials");
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    // The second profile of the session has no credentials yet.
    sandbox.write_aws_config(&format!(
        "{config}\n[profile second]\nssod_session = {}\nssod_account_id = {ACCOUNT}\nssod_role_name = ReadOnlyRole\n",
        TestUser::ADMIN.session
    ));
    wait_until("the second profile is known", || sandbox.daemon().profile("second").is_some());
    let error = sandbox.ssod(&["credential-process", "second"]).failed_with(1);
    assert!(error.contains("an answer that is not AWS's: 200 text/html"), "{error}");
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200, "valid credentials are not served");
    sandbox.fake().clear_faults();
    wait_until("the second profile has credentials", || sandbox.daemon().credentials("second").status == 200);

    sandbox.fake().stop();
    let error = sandbox.login_with("adminUser", &["--device-code"], |_| {}).failed_with(1);
    assert!(error.contains("annot reach 127.0.0.1") && error.contains("hint:"), "{error}");
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn the_mode_of_the_runtime_folder_is_corrected_and_a_folder_of_another_user_is_refused() {
    let mut sandbox = Sandbox::new();
    let runtime = sandbox.daemon().runtime_folder();
    fs::create_dir(&runtime).unwrap();
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o777)).unwrap();
    sandbox.start_daemon();
    assert_eq!(fs::metadata(&runtime).unwrap().permissions().mode() & 0o777, 0o700);
    sandbox.daemon().kill();

    fs::remove_dir_all(&runtime).unwrap();
    symlink(sandbox.home(), &runtime).unwrap();
    assert!(daemon_error(&sandbox).contains("a symlink to one is not accepted"));
    fs::remove_file(&runtime).unwrap();
    fs::create_dir(&runtime).unwrap();
    chown(&runtime, Some(65_534), None).unwrap();
    assert!(daemon_error(&sandbox).contains("belongs to user 65534"));
}

#[test]
fn invalid_settings_stop_the_daemon_with_the_line_number() {
    let sandbox = Sandbox::new();
    sandbox.add_settings("[refresh]\nkeep_freshh = \"all\"\n");
    assert!(
        daemon_error(&sandbox).contains("line 6: \"keep_freshh\" is not one of the settings of [refresh]")
    );
}

#[test]
fn after_a_lost_key_the_unreadable_files_are_set_aside_and_reported() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.daemon().kill();
    let vault = sandbox.daemon().vault_folder();
    let location = fs::read_to_string(vault.join("key-store")).unwrap();
    let id = location.split_whitespace().nth(1).unwrap();
    fs::remove_file(vault.join(format!("key-{id}"))).unwrap();
    sandbox.start_daemon();
    let output = sandbox.ssod(&["status"]).succeeded();
    assert!(output.contains("sealed under another key") && output.contains("ssod login"), "{output}");
    let names = fs::read_dir(vault).unwrap().map(|entry| entry.unwrap().file_name());
    let set_aside = names.filter(|name| name.to_string_lossy().contains("set-aside"));
    assert!(set_aside.count() >= 2);
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn exec_without_a_sign_in_exits_with_3_and_runs_nothing() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let marker = sandbox.home().join("ran");
    let error = sandbox.ssod(&["exec", "adminUser", "--", "touch", marker.to_str().unwrap()]).failed_with(3);
    assert!(error.contains("ssod login adminUser"), "{error}");
    assert!(!marker.exists());
    assert_eq!(sandbox.ssod(&["exec", "adminUser"]).status, 2);
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.ssod(&["exec", "adminUser", "--", "sh", "-c", "exit 42"]).status, 42);
    assert_eq!(sandbox.ssod(&["exec", "adminUser", "--", "no-such-command"]).status, 127);
}
