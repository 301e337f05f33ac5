//! Containers (T8): a container with its own network cannot connect. A rootless container in the host's network has the
//! user's uid, and needs the token.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ssod_testkit::run;

use super::other_user::{endpoint_of, signed_in};
use super::{ALICE, REQUEST, run_python};

/// Sends a request from a new namespace.
fn request_from_namespace(flags: &[&str], url: &str, token: &str) -> String {
    let mut command = Command::new("/usr/bin/unshare");
    command.args(flags).args(["/usr/bin/python3", "-c", REQUEST, url, token]);
    run(command.env_clear().current_dir("/").uid(ALICE).gid(ALICE)).succeeded()
}

#[test]
fn a_container_of_alice_needs_the_token_and_one_with_its_own_network_cannot_connect() {
    let sandbox = signed_in();
    let (url, token) = endpoint_of(&sandbox);
    assert!(
        request_from_namespace(&["-Ur"], &url, &token).starts_with("200"),
        "alice is refused with the token"
    );
    assert!(request_from_namespace(&["-Ur"], &url, "guessed").starts_with("401"));
    assert!(request_from_namespace(&["-Urn"], &url, &token).starts_with("no answer"));
}

#[test]
fn imds_serves_nothing_until_a_profile_is_active() {
    let sandbox = signed_in();
    let imds = r#"
import sys, urllib.request, urllib.error
base = f"http://127.0.0.1:{sys.argv[1]}/latest/"
def request(path, method="GET", headers={}):
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(base + path, method=method, headers=headers)).read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code)
token = {"x-aws-ec2-metadata-token": request("api/token", "PUT", {"x-aws-ec2-metadata-token-ttl-seconds": "60"})}
print(request("meta-data/iam/security-credentials/", headers=token), request("meta-data/iam/security-credentials/AdminRole", headers=token)[:3])
"#;
    let request = || run_python(ALICE, imds, &[&sandbox.daemon().port().to_string()]).succeeded();
    assert_eq!(request().trim(), "404 403");
    sandbox.ssod(&["use", "adminUser"]).succeeded();
    assert!(request().starts_with("AdminRole {"));
}

#[test]
fn only_loopback_is_bound_and_no_setting_changes_that() {
    let sandbox = signed_in();
    let port = format!(":{:04X}", sandbox.daemon().port());
    let listening = |table: &str| {
        let text = fs::read_to_string(table).unwrap();
        let lines = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let own = lines.filter(|line| line[1].ends_with(&port) && line[3] == "0A");
        own.map(|line| line[1].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listening("/proc/net/tcp"), [format!("0100007F{port}")]);
    assert!(listening("/proc/net/tcp6").is_empty());
    sandbox.daemon().kill();
    let settings = format!(
        "[endpoint]\nport = {}\naddress = \"0.0.0.0\"\n[vault]\nkey = \"file\"\n",
        sandbox.daemon().port()
    );
    sandbox.write_settings(&settings);
    let refused = sandbox.ssod(&["status"]).failed_with(4);
    assert!(refused.contains("line 3: \"address\" is not one of the settings of [endpoint]"), "{refused}");
}
