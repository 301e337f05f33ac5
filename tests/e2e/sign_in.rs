//! Both ways in, as a person meets them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use ssod_testkit::{Person, Running, Sandbox, approve_browser, approve_device, get, programs};

fn configured() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox
}

#[test]
fn the_browser_is_opened_and_ends_on_a_page_that_says_what_happened() {
    let sandbox = configured();
    let (script, opened) = (sandbox.home().join("browser"), sandbox.home().join("opened"));
    fs::write(
        &script,
        format!("#!/bin/sh\nprintf '%s\\n' \"$#\" \"$1\" > {0}.new && mv {0}.new {0}\n", opened.display()),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = sandbox.command(programs().join("ssod"));
    let mut login = Running::start(command.args(["login", "adminUser"]).env("BROWSER", &script));
    sandbox.eventually("the browser is opened", || opened.exists());
    let seen = fs::read_to_string(&opened).unwrap();
    let (count, url) = seen.trim().split_once('\n').unwrap();
    assert_eq!(count, "1", "the address is one argument");
    let page = approve_browser(url, "alice", true);
    assert!(page.body.contains("You are signed in") && !page.body.contains("<script"), "{}", page.body);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(login.wait(Duration::from_secs(10)), Some(0));
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}

#[test]
fn a_wrong_state_or_path_is_turned_away_and_the_wait_goes_on() {
    let sandbox = configured();
    let mut command = sandbox.command(programs().join("ssod"));
    let mut login =
        Running::start(command.args(["login", "adminUser", "--no-browser", "--json"]).env("DISPLAY", ":99"));
    let event: serde_json::Value = serde_json::from_str(&login.line()).unwrap();
    let url = event["url"].as_str().unwrap();
    let start = url.split_once("redirect_uri=").unwrap().1.split('&').next().unwrap();
    let callback = start.replace("%3A", ":").replace("%2F", "/");
    for wrong in [
        format!("{callback}?code=x&state=y"),
        format!("{callback}?code=x"),
        callback.replace("callback", "other"),
    ] {
        let page = get(&wrong);
        assert!(
            page.status == 400 && page.body.contains("not an answer that ssod waits for"),
            "{wrong}: {}",
            page.body
        );
    }
    assert_eq!(approve_browser(url, "alice", true).status, 200);
    assert!(login.line().contains("signed_in"));
    assert_eq!(login.wait(Duration::from_secs(10)), Some(0));
    let address = callback.split('/').nth(2).unwrap();
    assert!(address.starts_with("127.0.0.1:"));
    let second = std::net::TcpStream::connect(address);
    assert!(second.is_err(), "one answer, then nobody listens there");
}

#[test]
fn a_device_code_can_be_confirmed_anywhere() {
    let sandbox = configured();
    let done = sandbox.login_by("adminUser", &["--device-code"], |event, fake| {
        assert_eq!(event["event"], "device_code");
        assert!(event["url_complete"].as_str().unwrap().contains(event["code"].as_str().unwrap()));
        assert_eq!(event["start_url"], format!("{fake}/start"));
        assert_eq!(approve_device(fake, event["code"].as_str().unwrap(), "alice", true).status, 200);
    });
    assert!(done.succeeded().contains("signed_in"));
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}

#[test]
fn one_registration_per_flow_is_kept_and_renewed_when_it_is_forgotten() {
    let sandbox = configured();
    sandbox.login(Person::ADMIN).succeeded();
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.count("RegisterClient"), 1);
    sandbox.tell_fake("forget-registrations", &serde_json::Value::Null);
    // The browser flow notices at the token call, the device flow at once; either way the person is asked once more.
    sandbox
        .login_by("adminUser", &["--device-code"], |event, fake| {
            approve_device(fake, event["code"].as_str().unwrap(), "alice", true);
        })
        .succeeded();
    assert_eq!(sandbox.count("RegisterClient"), 2);
}

#[test]
fn no_request_opens_a_browser() {
    let sandbox = configured();
    let marker = sandbox.home().join("opened");
    let script = sandbox.home().join("browser");
    fs::write(&script, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for arguments in [
        &["credential-process", "adminUser"][..],
        &["exec", "adminUser", "--", "true"],
        &["env", "adminUser"],
    ] {
        let mut command = sandbox.command(programs().join("ssod"));
        ssod_testkit::run(command.args(arguments).env("BROWSER", &script).env("DISPLAY", ":99"));
    }
    assert_eq!(sandbox.credentials("adminUser").status, 403);
    assert!(!marker.exists());
    let asked = get(&format!("{}/fake/log", sandbox.fake_url())).json();
    assert_eq!(asked.as_array().unwrap().len(), 0, "nothing was asked of AWS either");
}

#[test]
fn a_session_that_aws_ended_says_what_to_type_and_serves_to_the_end() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    sandbox.tell_fake("end-session", &serde_json::json!({ "user": "alice" }));
    let refused = sandbox.ssod(&["list"]).failed_with(3);
    assert!(refused.contains("hint: Run: ssod login"), "{refused}");
    let session = &sandbox.status()["sessions"][0];
    assert_eq!(session["state"], "expired");
    assert!(session["reason"].as_str().unwrap().contains("ended at AWS"), "{session}");
    assert_eq!(sandbox.credentials("adminUser").status, 200, "what AWS issued is good to its end");
    let before = sandbox.count("GetRoleCredentials");
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.status()["sessions"][0]["state"], "active");
    sandbox.eventually("new ones are fetched", || sandbox.count("GetRoleCredentials") > before);
}

#[test]
fn a_list_that_aws_throttles_is_tried_again_until_it_comes() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let twice = serde_json::json!({ "kind": "throttle", "operation": "ListAccountRoles", "times": 2, "retry_after": 1 });
    sandbox.tell_fake("fault", &twice);
    assert!(sandbox.ssod(&["list"]).succeeded().contains("AdminRole"));
    assert_eq!(sandbox.count("ListAccountRoles"), 1);
    sandbox.fault("fail", "ListAccounts");
    let refused = sandbox.ssod(&["list"]).failed_with(1);
    assert!(refused.contains("answered 503") && refused.contains("hint:"), "{refused}");
}

#[test]
fn a_logout_that_revokes_shells_makes_every_old_environment_worthless() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    sandbox.configure(Person::READ_ONLY);
    let token = |profile: &str| {
        let env = sandbox.env(&[profile]);
        env.into_iter().find(|(name, _)| name == "AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap().1.unwrap()
    };
    let ask = |profile: &str, token: &str| {
        let url = format!("http://127.0.0.1:{}/credentials/{profile}", sandbox.port);
        ssod_testkit::get_with(&url, &[("authorization", token)]).json()["code"].as_str().map(str::to_owned)
    };
    let (admin, reader) = (token("adminUser"), token("readOnlyUser"));
    let file = || {
        let env = sandbox.env(&["adminUser"]);
        env.into_iter().find(|(name, _)| name == "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").unwrap().1.unwrap()
    };
    let old_file = file();
    sandbox.ssod(&["logout", "adminUser"]).succeeded();
    assert_eq!(ask("adminUser", &admin).unwrap(), "LoginRequired", "open shells are told what to type");
    let said = sandbox.ssod(&["logout", "adminUser", "--revoke-shells"]).succeeded();
    assert!(said.contains("Open shells need a new environment"), "{said}");
    assert_eq!(ask("adminUser", &admin).unwrap(), "InvalidToken");
    assert_eq!(
        ask("readOnlyUser", &reader).unwrap(),
        "LoginRequired",
        "the other session's shells are left alone"
    );
    assert_ne!(token("adminUser"), admin);
    assert!(fs::read(&old_file).is_err() && old_file != file(), "nor does its file have the new token");
    assert_eq!(ask("adminUser", &token("adminUser")).unwrap(), "LoginRequired");
}
