//! Containers: another network cannot connect; a rootless one, which arrives as the user's own uid, needs the token (T8).

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ssod_testkit::{Sandbox, run};

use super::other_user::{endpoint_of, signed_in};
use super::{ALICE, ASK};

/// Asks from inside such a namespace.
fn from_inside(flags: &[&str], url: &str, token: &str) -> String {
    let mut command = Command::new("/usr/bin/unshare");
    command.args(flags).args(["/usr/bin/python3", "-c", ASK, url, token]);
    run(command.env_clear().current_dir("/").uid(ALICE).gid(ALICE)).succeeded()
}

#[test]
fn a_container_of_alices_needs_her_token_and_one_with_its_own_network_gets_nowhere() {
    let sandbox = signed_in();
    let (url, token) = endpoint_of(&sandbox);
    assert!(from_inside(&["-Ur"], &url, &token).starts_with("200"), "it is alice, with her token");
    assert!(from_inside(&["-Ur"], &url, "guessed").starts_with("401"));
    assert!(from_inside(&["-Urn"], &url, &token).starts_with("no answer"));
}

#[test]
fn imds_which_has_no_such_token_serves_nothing_until_somebody_chose() {
    let sandbox = signed_in();
    let imds = r#"
import sys, urllib.request, urllib.error
base = f"http://127.0.0.1:{sys.argv[1]}/latest/"
def ask(path, method="GET", headers={}):
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(base + path, method=method, headers=headers)).read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code)
token = {"x-aws-ec2-metadata-token": ask("api/token", "PUT", {"x-aws-ec2-metadata-token-ttl-seconds": "60"})}
print(ask("meta-data/iam/security-credentials/", headers=token), ask("meta-data/iam/security-credentials/AdminRole", headers=token)[:3])
"#;
    let ask = || super::run_python(ALICE, imds, &[&sandbox.port.to_string()]).succeeded();
    assert_eq!(ask().trim(), "404 403");
    sandbox.ssod(&["use", "adminUser"]).succeeded();
    assert!(ask().starts_with("AdminRole {"));
}

#[test]
fn only_loopback_is_listened_on_and_nothing_else_can_be_set() {
    let mut sandbox = signed_in();
    let port = format!(":{:04X}", sandbox.port);
    let listening = |table: &str| {
        let text = fs::read_to_string(table).unwrap();
        let lines = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let ours = lines.filter(|line| line[1].ends_with(&port) && line[3] == "0A");
        ours.map(|line| line[1].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listening("/proc/net/tcp"), [format!("0100007F{port}")]);
    assert!(listening("/proc/net/tcp6").is_empty());
    sandbox.daemon().kill();
    let settings =
        format!("[endpoint]\nport = {}\naddress = \"0.0.0.0\"\n[vault]\nkey = \"file\"\n", sandbox.port);
    sandbox.settings_as_they_are(&settings);
    let refused = sandbox.ssod(&["status"]).failed_with(4);
    assert!(refused.contains("line 3: unknown field `address`"), "{refused}");
    drop::<Sandbox>(sandbox);
}
