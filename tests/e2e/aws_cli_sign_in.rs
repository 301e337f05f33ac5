//! Debian's AWS CLI v2 signs in, renews, gets credentials and signs out at the fake Identity Center. This shows with an
//! independent client that the fake behaves like AWS.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ssod_testkit::{ChildProcess, Sandbox, approve_device, run};

/// Writes endpoint rule sets whose only endpoint is the fake, because version 2.9 of the AWS CLI has no variables for
/// the endpoints of Identity Center.
pub(crate) fn write_endpoint_rules(folder: &Path, fake: &str) {
    for service in ["sso", "sso-oidc"] {
        let folder = folder.join(service).join("2019-06-10");
        fs::create_dir_all(&folder).unwrap();
        let rules = format!(
            r#"{{"version":"1.0","parameters":{{}},"rules":[{{"conditions":[],"type":"endpoint","endpoint":{{"url":"{fake}","properties":{{}},"headers":{{}}}}}}]}}"#
        );
        fs::write(folder.join("endpoint-rule-set-1.json"), rules).unwrap();
    }
}

/// Returns a command that runs Debian's AWS CLI v2 with these endpoint rules.
pub(crate) fn aws(sandbox: &Sandbox, rules: &Path) -> Command {
    let mut command = sandbox.command("/usr/bin/aws");
    command.env("AWS_DATA_PATH", rules).env("PYTHONUNBUFFERED", "1");
    command
}

/// Runs `aws sso login` and confirms its code.
pub(crate) fn sign_in(sandbox: &Sandbox, rules: &Path) {
    let login = ChildProcess::start(aws(sandbox, rules).args([
        "sso",
        "login",
        "--no-browser",
        "--profile",
        "adminUser",
    ]));
    let is_code = |line: &String| line.len() == 9 && line.contains('-');
    let code = std::iter::repeat_with(|| login.next_line()).find(is_code).unwrap();
    assert_eq!(approve_device(sandbox.fake().url(), &code, "alice", true).status, 200);
    assert_eq!(login.wait(Duration::from_mins(1)), Some(0));
}

#[test]
fn the_aws_cli_signs_in_renews_and_signs_out() {
    // The AWS CLI renews a token with less than five minutes left when it is next used.
    let sandbox = Sandbox::with_lifetime("5m");
    let rules = sandbox.home().join("rules");
    write_endpoint_rules(&rules, sandbox.fake().url());
    sandbox.write_aws_config(&sandbox.fake().aws_config());

    sign_in(&sandbox, &rules);
    let tokens = sandbox.fake().successful_calls("CreateToken");

    // No program listens at the endpoint. The CLI tries to connect only if it has credentials.
    let call_sts = || {
        run(aws(&sandbox, &rules).args([
            "--profile",
            "adminUser",
            "--region",
            "us-east-1",
            "--endpoint-url",
            "http://127.0.0.1:1",
            "sts",
            "get-caller-identity",
        ]))
    };
    assert!(call_sts().stderr.contains("Could not connect to the endpoint URL"));
    assert!(sandbox.fake().successful_calls("GetRoleCredentials") > 0);
    assert!(sandbox.fake().successful_calls("CreateToken") > tokens, "the CLI did not renew the token");

    assert_eq!(run(aws(&sandbox, &rules).args(["sso", "logout"])).status, 0);
    assert_eq!(sandbox.fake().successful_calls("Logout"), 1);
    assert!(call_sts().stderr.contains("Error loading SSO Token"), "the CLI is still signed in");
}
