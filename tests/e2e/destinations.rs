//! Secrets go only to the endpoints that issued them (T27). `as_root::destinations` has the cases that need another
//! user or another address.

use std::fs;
use std::time::Duration;

use ssod_control::SessionState;
use ssod_testkit::{ACCOUNT, Recorder, Sandbox, TestUser, wait_until};

/// The daemon renews credentials several times while a test waits.
const LIFETIME: &str = "4s";
const SEVERAL_RENEWALS: Duration = Duration::from_secs(6);

/// A daemon whose endpoints come from the AWS config file only.
const NO_VARIABLES: [(&str, &str); 2] = [("AWS_ENDPOINT_URL_SSO", ""), ("AWS_ENDPOINT_URL_SSO_OIDC", "")];

/// A session with this start URL is usable with any endpoints.
pub(crate) const START_URL: &str = "https://x.awsapps.com/start";

/// Returns a file with the administrator's session and profile; the lines of the profile are the last ones.
pub(crate) fn aws_config(start_url: &str) -> String {
    let session = TestUser::ADMIN.session;
    let session = format!("[sso-session {session}]\nsso_start_url = {start_url}\nsso_region = us-east-1\n");
    session + &profile(TestUser::ADMIN.profile, "")
}

fn profile(name: &str, more: &str) -> String {
    let session = TestUser::ADMIN.session;
    format!(
        "[profile {name}]\nssod_session = {session}\nssod_account_id = {ACCOUNT}\nssod_role_name = AdminRole\n{more}"
    )
}

fn signed_in() -> Sandbox {
    let mut sandbox = Sandbox::with_lifetime(LIFETIME);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox
}

/// Does everything for which the daemon sends a secret, and gives its timer the time to act.
fn use_and_wait(sandbox: &Sandbox) {
    sandbox.ssod(&["credential-process", TestUser::ADMIN.profile]);
    sandbox.ssod(&["list"]);
    std::thread::sleep(SEVERAL_RENEWALS);
    sandbox.ssod(&["credential-process", TestUser::ADMIN.profile]);
}

fn reason(sandbox: &Sandbox) -> Option<String> {
    sandbox.daemon().status().sessions.into_iter().next().and_then(|session| session.reason)
}

#[test]
fn a_daemon_that_another_shell_starts_sends_no_secret_to_that_shells_endpoints() {
    let mut sandbox = signed_in();
    let recorder = Recorder::default();
    // LocalStack's variable is meant for other services, and changes nothing.
    sandbox.daemon().kill();
    sandbox.start_daemon_with(&[("AWS_ENDPOINT_URL", recorder.url())]);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    use_and_wait(&sandbox);
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
    assert_eq!(recorder.received(), "");
    // These variables change the endpoints, so the session needs a new sign-in.
    let url = recorder.url().to_owned();
    for variables in [
        &[("AWS_ENDPOINT_URL_SSO", url.as_str()), ("AWS_ENDPOINT_URL_SSO_OIDC", &url)][..],
        &[("AWS_ENDPOINT_URL_SSO", url.as_str())],
        &[("AWS_ENDPOINT_URL_SSO_OIDC", url.as_str())],
    ] {
        sandbox.daemon().terminate();
        sandbox.start_daemon_with(variables);
        use_and_wait(&sandbox);
        assert_eq!(reason(&sandbox).as_deref(), Some("its endpoints have changed since the sign-in"));
        assert_eq!(recorder.received(), "", "{variables:?}");
    }
    let status = sandbox.ssod(&["status"]);
    let note = format!("AWS_ENDPOINT_URL_SSO_OIDC sends all sign-ins to {url}, not to AWS.");
    assert!(status.stdout.contains(&note), "{}", status.stdout);
    assert!(status.stderr.contains("the ssod daemon has AWS_ENDPOINT_URL_SSO_OIDC"), "{}", status.stderr);
    assert!(sandbox.ssod(&["doctor"]).stdout.contains(&format!("AWS_ENDPOINT_URL_SSO_OIDC={url}")));
    assert!(recorder.received().starts_with("GET / HTTP/1.1\r\n"), "the doctor's probe has no secret");
    // With the first endpoints, the sign-in is usable again.
    sandbox.daemon().terminate();
    sandbox.start_daemon();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    assert_eq!(sandbox.fake().successful_calls("RegisterClient"), 1, "another sign-in was needed");
}

#[test]
fn a_logout_sends_no_token_to_endpoints_that_did_not_issue_it() {
    let mut sandbox = signed_in();
    let recorder = Recorder::default();
    sandbox.daemon().terminate();
    sandbox.start_daemon_with(&[
        ("AWS_ENDPOINT_URL_SSO", recorder.url()),
        ("AWS_ENDPOINT_URL_SSO_OIDC", recorder.url()),
    ]);
    let logout = sandbox.ssod(&["logout"]);
    let printed = logout.stdout + &logout.stderr;
    assert!(printed.contains("endpoints have changed since the sign-in"), "{printed}");
    assert_eq!(recorder.received(), "");
}

#[test]
fn another_profile_of_the_session_redirects_no_secret() {
    let mut sandbox = Sandbox::with_lifetime(LIFETIME);
    let (fake, recorder) = (sandbox.fake().url().to_owned(), Recorder::default());
    let services = |name: &str, url: &str| {
        format!("[services {name}]\nsso =\n  endpoint_url = {url}\nsso_oidc =\n  endpoint_url = {url}\n")
    };
    let first = aws_config(START_URL) + "services = fake\n" + &services("fake", &fake);
    sandbox.write_aws_config(&first);
    sandbox.add_settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.start_daemon_with(&NO_VARIABLES);
    sandbox.login(TestUser::ADMIN).succeeded();
    // A bare endpoint_url changes nothing.
    let bare = format!("services = fake\nendpoint_url = {}\n", recorder.url());
    sandbox.write_aws_config(&(first.clone() + &profile("other", &bare)));
    wait_until("the daemon knows the profile", || sandbox.daemon().profile("other").is_some());
    assert_eq!(sandbox.daemon().credentials("other").status, 200);
    use_and_wait(&sandbox);
    assert_eq!(recorder.received(), "");
    // The profiles disagree about the endpoint of the sign-in, which is AWS's own from now on.
    let elsewhere = services("elsewhere", recorder.url()) + &profile("other", "services = elsewhere\n");
    sandbox.write_aws_config(&(first.clone() + &elsewhere));
    wait_until("the daemon knows the section", || reason(&sandbox).is_some());
    assert_eq!(sandbox.daemon().credentials("other").status, 403);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 403);
    use_and_wait(&sandbox);
    assert_eq!(recorder.received(), "");
    let note = format!("sends the portal calls of profile other to {}, not to AWS.", recorder.url());
    assert!(sandbox.ssod(&["status"]).stdout.contains(&note));
    assert!(
        sandbox.ssod(&["doctor"]).stdout.contains("The AWS config file sends the calls of profile other")
    );
    sandbox.write_aws_config(&first);
    wait_until("the sign-in is usable again", || reason(&sandbox).is_none());
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn plain_http_to_a_name_is_refused_and_no_password_is_shown() {
    let mut sandbox = Sandbox::new();
    sandbox.write_aws_config(&aws_config(START_URL));
    // Whatever address a resolver gives for this name, it is not asked.
    let url = "http://me:MARKER-password@localhost.localstack.cloud:4566";
    sandbox.start_daemon_with(&[("AWS_ENDPOINT_URL_SSO_OIDC", url), ("AWS_ENDPOINT_URL_SSO", url)]);
    let error = sandbox.login_with("adminUser", &["--device-code"], |_| {}).failed_with(1);
    assert!(
        error.contains("error: Secrets are not sent to http://localhost.localstack.cloud:4566"),
        "{error}"
    );
    let shown = [sandbox.ssod(&["status"]), sandbox.ssod(&["doctor"]), sandbox.ssod(&["status", "--json"])];
    assert!(shown[0].stdout.contains("others could read them on the way"), "{}", shown[0].stdout);
    let mut texts: Vec<_> = shown.into_iter().flat_map(|output| [output.stdout, output.stderr]).collect();
    texts.extend([error, sandbox.daemon().log(), fs::read_to_string(sandbox.daemon().audit_file()).unwrap()]);
    for text in texts {
        assert!(!text.contains("MARKER-password"), "{text}");
    }
}
