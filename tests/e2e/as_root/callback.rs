//! Another user connects to the callback of alice's sign-in (T9, T29).

use std::time::{Duration, Instant};

use serde_json::Value;
use ssod_testkit::{ChildProcess, Sandbox, TestUser, approve_browser};

use super::exhaustion::hold_connections;
use super::other_user::endpoint_of;
use super::{ALICE, BOB, REQUEST, run_python};

/// Requests a URL, and prints the status.
const GET: &str = r"
import sys, urllib.request, urllib.error
try:
    print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
";

/// A sign-in of alice that waits for the browser.
struct WaitingSignIn {
    login: ChildProcess,
    authorize_url: String,
    callback: String,
}

impl WaitingSignIn {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.ssod_command();
        command.args(["login", "adminUser", "--no-browser", "--json"]).env("DISPLAY", ":99");
        let login = ChildProcess::start(&mut command);
        let event: Value = serde_json::from_str(&login.next_line()).unwrap();
        let authorize_url = event["url"].as_str().unwrap().to_owned();
        let parameter = |name: &str| {
            let (_, rest) = authorize_url.split_once(&format!("{name}=")).unwrap();
            rest.split('&').next().unwrap().replace("%3A", ":").replace("%2F", "/")
        };
        let callback = format!("{}?code=guessed&state={}", parameter("redirect_uri"), parameter("state"));
        Self { login, authorize_url, callback }
    }

    fn port(&self) -> u16 {
        self.callback.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap()
    }

    fn assert_completes(&self) {
        let page = approve_browser(&self.authorize_url, "alice", true);
        assert!(page.body.contains("You are signed in"), "{}", page.body);
        assert!(self.login.next_line().contains("signed_in"));
        assert_eq!(self.login.wait(Duration::from_secs(30)), Some(0));
    }
}

/// The state is in the arguments of the browser's process, which every user can see. With it, bob could sign alice in as
/// another user.
#[test]
fn bob_cannot_complete_alices_sign_in_with_the_right_state() {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    let sign_in = WaitingSignIn::start(&sandbox);
    assert_eq!(run_python(BOB, GET, &[&sign_in.callback]).succeeded().trim(), "403");
    sign_in.assert_completes();
    let sign_in = WaitingSignIn::start(&sandbox);
    assert_eq!(run_python(ALICE, GET, &[&sign_in.callback]).succeeded().trim(), "200", "alice may answer it");
}

#[test]
fn bobs_connections_to_the_callback_leave_descriptors_for_everything_else() {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon_in_shell("ulimit -n 512; exec ssod-daemon");
    sandbox.login(TestUser::ADMIN).succeeded();
    let (url, token) = endpoint_of(&sandbox);
    let sign_in = WaitingSignIn::start(&sandbox);
    let _bob = hold_connections(BOB, sign_in.port(), 600);
    let begun = Instant::now();
    assert!(run_python(ALICE, REQUEST, &[&url, &token]).succeeded().starts_with("200"));
    assert_eq!(sandbox.ssod(&["status"]).status, 0);
    sign_in.assert_completes();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
