//! The fake Identity Center, judged by a client that we did not write: Debian's AWS CLI v2 signs in, renews, gets
//! credentials and signs out against it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ssod_testkit::{Running, Sandbox, approve_device, get, run};

/// 2.9 knows no endpoint variables for SSO: rule sets with a single rule point it at the fake.
pub(crate) fn rules(folder: &Path, fake: &str) {
    for service in ["sso", "sso-oidc"] {
        let folder = folder.join(service).join("2019-06-10");
        fs::create_dir_all(&folder).unwrap();
        let rule = format!(
            r#"{{"version":"1.0","parameters":{{}},"rules":[{{"conditions":[],"type":"endpoint","endpoint":{{"url":"{fake}","properties":{{}},"headers":{{}}}}}}]}}"#
        );
        fs::write(folder.join("endpoint-rule-set-1.json"), rule).unwrap();
    }
}

/// Debian's AWS CLI v2, pointed at the fake.
pub(crate) fn aws(sandbox: &Sandbox, rules: &Path) -> Command {
    let mut command = sandbox.command("/usr/bin/aws");
    command.env("AWS_DATA_PATH", rules).env("PYTHONUNBUFFERED", "1");
    command
}

/// `aws sso login`, and somebody who confirms its code.
pub(crate) fn sign_in(sandbox: &Sandbox, data: &Path) {
    let mut login =
        Running::start(aws(sandbox, data).args(["sso", "login", "--no-browser", "--profile", "adminUser"]));
    let code =
        std::iter::repeat_with(|| login.line()).find(|line| line.len() == 9 && line.contains('-')).unwrap();
    assert_eq!(approve_device(sandbox.fake_url(), &code, "alice", true).status, 200);
    assert_eq!(login.wait(Duration::from_secs(30)), Some(0));
}

#[test]
fn the_aws_cli_signs_in_renews_and_signs_out() {
    // With five minutes left the AWS CLI renews a token at its next use.
    let sandbox = Sandbox::with_lives("5m");
    let data = sandbox.home().join("rules");
    rules(&data, sandbox.fake_url());
    fs::create_dir_all(sandbox.home().join(".aws")).unwrap();
    fs::write(sandbox.aws_config(), get(&format!("{}/fake/aws-config", sandbox.fake_url())).body).unwrap();

    sign_in(&sandbox, &data);
    let tokens = sandbox.count("CreateToken");

    let call = || {
        run(aws(&sandbox, &data).args([
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
    // There is no STS behind it; that it gets as far as calling one shows that it has credentials.
    assert!(call().stderr.contains("Could not connect to the endpoint URL"));
    assert!(sandbox.count("GetRoleCredentials") > 0);
    assert!(sandbox.count("CreateToken") > tokens, "it renewed by refresh token");

    assert_eq!(run(aws(&sandbox, &data).args(["sso", "logout"])).status, 0);
    assert_eq!(sandbox.count("Logout"), 1);
    assert!(call().stderr.contains("Error loading SSO Token"), "it is signed out");
}
