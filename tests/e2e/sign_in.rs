//! Sign-in by browser and by device code, and sign-out, as the user sees them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use ssod_control::SessionState;
use ssod_testkit::{ChildProcess, FaultKind, Sandbox, TestUser, approve_browser, get, run, wait_until};

#[test]
fn the_browser_opens_and_ends_on_a_page_that_reports_the_result() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let (script, opened) = (sandbox.home().join("browser"), sandbox.home().join("opened"));
    fs::write(
        &script,
        format!("#!/bin/sh\nprintf '%s\\n' \"$#\" \"$1\" > {0}.new && mv {0}.new {0}\n", opened.display()),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = sandbox.ssod_command();
    let login = ChildProcess::start(command.args(["login", "adminUser"]).env("BROWSER", &script));
    wait_until("the browser is opened", || opened.exists());
    let arguments = fs::read_to_string(&opened).unwrap();
    let (count, url) = arguments.trim().split_once('\n').unwrap();
    assert_eq!(count, "1", "the URL is not one argument");
    let page = approve_browser(url, "alice", true);
    assert!(page.body.contains("You are signed in") && !page.body.contains("<script"), "{}", page.body);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(login.wait(Duration::from_secs(30)), Some(0));
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn the_browser_setting_may_quote_a_path_with_spaces() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let folder = sandbox.home().join("my browser");
    fs::create_dir(&folder).unwrap();
    let (script, opened) = (folder.join("chrome"), sandbox.home().join("opened"));
    let line = format!("printf '%s\\n' \"$#\" \"$@\" > {0}.new && mv {0}.new {0}", opened.display());
    fs::write(&script, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.add_settings(&format!("[login]\nbrowser = \"'{}' --incognito {{url}}\"\n", script.display()));
    sandbox.start_daemon();
    let mut command = sandbox.ssod_command();
    let login = ChildProcess::start(command.args(["login", "adminUser"]).env("DISPLAY", ":99"));
    wait_until("the browser is opened", || opened.exists());
    let arguments = fs::read_to_string(&opened).unwrap();
    let arguments: Vec<&str> = arguments.lines().collect();
    assert_eq!(arguments[..2], ["2", "--incognito"]);
    assert_eq!(approve_browser(arguments[2], "alice", true).status, 200);
    assert_eq!(login.wait(Duration::from_secs(30)), Some(0));

    sandbox.add_settings("[login]\nbrowser = \"'/opt/my browser/chrome {url}\"\n");
    let expected = "line 6: browser under [login] is \"'/opt/my browser/chrome {url}\", but must be a command whose quotes are closed";
    let is_reported = || sandbox.daemon().problems().iter().any(|problem| problem.contains(expected));
    wait_until("the setting is reported with its line", is_reported);
}

#[test]
fn the_callback_rejects_a_wrong_state_or_path_and_keeps_waiting() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let mut command = sandbox.ssod_command();
    let login = ChildProcess::start(
        command.args(["login", "adminUser", "--no-browser", "--json"]).env("DISPLAY", ":99"),
    );
    let event: serde_json::Value = serde_json::from_str(&login.next_line()).unwrap();
    let url = event["url"].as_str().unwrap();
    let encoded = url.split_once("redirect_uri=").unwrap().1.split('&').next().unwrap();
    let callback = encoded.replace("%3A", ":").replace("%2F", "/");
    for wrong in [
        format!("{callback}?code=x&state=y"),
        format!("{callback}?code=x"),
        callback.replace("callback", "other"),
    ] {
        let page = get(&wrong);
        assert!(
            page.status == 400 && page.body.contains("ssod does not expect this answer"),
            "{wrong}: {}",
            page.body
        );
    }
    assert_eq!(approve_browser(url, "alice", true).status, 200);
    assert!(login.next_line().contains("signed_in"));
    assert_eq!(login.wait(Duration::from_secs(30)), Some(0));
    let address = callback.split('/').nth(2).unwrap();
    assert!(address.starts_with("127.0.0.1:"));
    let second = std::net::TcpStream::connect(address);
    assert!(second.is_err(), "the callback still listens after the sign-in");
}

#[test]
fn a_device_code_can_be_confirmed_on_any_machine() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let result = sandbox.login_with("adminUser", &["--device-code"], |event| {
        assert_eq!(event["event"], "device_code");
        assert!(event["url_complete"].as_str().unwrap().contains(event["code"].as_str().unwrap()));
        assert_eq!(event["start_url"], sandbox.fake().start_url());
        sandbox.fake().approve(event, "alice");
    });
    assert!(result.succeeded().contains("signed_in"));
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn a_registration_is_reused_until_aws_forgets_it() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.fake().successful_calls("RegisterClient"), 1);
    sandbox.fake().forget_registrations();
    // The device flow detects it at its first call.
    sandbox
        .login_with("adminUser", &["--device-code"], |event| sandbox.fake().approve(event, "alice"))
        .succeeded();
    assert_eq!(sandbox.fake().successful_calls("RegisterClient"), 2);
}

#[test]
fn no_request_opens_a_browser() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let opened = sandbox.home().join("opened");
    let script = sandbox.home().join("browser");
    fs::write(&script, format!("#!/bin/sh\ntouch {}\n", opened.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for arguments in [
        &["credential-process", "adminUser"][..],
        &["exec", "adminUser", "--", "true"],
        &["env", "adminUser"],
    ] {
        let mut command = sandbox.ssod_command();
        run(command.args(arguments).env("BROWSER", &script).env("DISPLAY", ":99"));
    }
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 403);
    assert!(!opened.exists());
    assert!(sandbox.fake().log().is_empty(), "AWS was called");
}

#[test]
fn an_ended_session_has_a_hint_and_its_credentials_are_served_until_they_expire() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    sandbox.fake().end_sessions();
    let error = sandbox.ssod(&["list"]).failed_with(3);
    assert!(error.contains("hint: Run: ssod login"), "{error}");
    let session = &sandbox.daemon().status().sessions[0];
    assert_eq!(session.state, SessionState::Expired);
    assert!(session.reason.as_ref().unwrap().contains("ended at AWS"), "{session:?}");
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200, "valid credentials are not served");
    let before = sandbox.fake().successful_calls("GetRoleCredentials");
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
    wait_until("new credentials are fetched", || {
        sandbox.fake().successful_calls("GetRoleCredentials") > before
    });
}

#[test]
fn a_throttled_list_is_retried() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.fake().throttle("ListAccountRoles", 2);
    assert!(sandbox.ssod(&["list"]).succeeded().contains("AdminRole"));
    assert_eq!(sandbox.fake().successful_calls("ListAccountRoles"), 1);
    sandbox.fake().add_fault(FaultKind::Fail, "ListAccounts");
    let error = sandbox.ssod(&["list"]).failed_with(1);
    assert!(error.contains("answered 503") && error.contains("hint:"), "{error}");
}

#[test]
fn a_logout_that_revokes_shells_invalidates_their_tokens() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.configure(TestUser::READ_ONLY);
    let variable = |profile: &str, name: &str| sandbox.daemon().variable(profile, name);
    let token = |profile: &str| variable(profile, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    let token_file = || variable("adminUser", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let error_code = |profile: &str, token: &str| {
        let reply = sandbox.daemon().credentials_with_token(profile, token).json();
        reply["code"].as_str().unwrap().to_owned()
    };
    let (admin, read_only, old_file) = (token("adminUser"), token("readOnlyUser"), token_file());
    sandbox.ssod(&["logout", "adminUser"]).succeeded();
    assert_eq!(error_code("adminUser", &admin), "LoginRequired", "open shells do not get the hint");
    let output = sandbox.ssod(&["logout", "adminUser", "--revoke-shells"]).succeeded();
    assert!(output.contains("Open shells need a new environment"), "{output}");
    assert_eq!(error_code("adminUser", &admin), "InvalidToken");
    assert_eq!(error_code("readOnlyUser", &read_only), "LoginRequired", "the other session is affected");
    assert_ne!(token("adminUser"), admin);
    assert!(fs::read(&old_file).is_err() && old_file != token_file(), "the old file has the new token");
    assert_eq!(error_code("adminUser", &token("adminUser")), "LoginRequired");
}
