//! `share_access_token`: tools that read the AWS CLI's token file find an access token there, and no other secret. ssod
//! adopts a sign-in or a sign-out with the AWS CLI.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use ssod_control::SessionState;
use ssod_testkit::{Sandbox, TestUser, python_environment, run, wait_until};

use crate::aws_cli_sign_in::{aws, sign_in, write_endpoint_rules};

/// Returns the path of the file in which the AWS CLI stores the session's token.
fn token_file(sandbox: &Sandbox) -> PathBuf {
    // SHA-1 of "sso-session-adminUser".
    sandbox.home().join(".aws/sso/cache/598ed35e94aec485b620907ac0a002f002065a7b.json")
}

fn shared_token(sandbox: &Sandbox) -> Option<Value> {
    serde_json::from_slice(&fs::read(token_file(sandbox)).ok()?).ok()
}

/// Returns a command that runs boto3 with a profile in AWS's own form, so boto3 reads the AWS CLI's token file and
/// calls the portal.
fn boto3(sandbox: &Sandbox) -> Command {
    let program = "import boto3; print(boto3.Session(profile_name='adminUser').get_credentials().get_frozen_credentials().access_key)";
    let mut command = sandbox.command(python_environment().join("bin/python"));
    command.args(["-c", program]);
    command
}

fn state(sandbox: &Sandbox) -> SessionState {
    sandbox.daemon().status().sessions[0].state
}

#[test]
fn the_access_token_is_shared_and_a_sign_in_or_out_with_the_aws_cli_is_adopted() {
    let mut sandbox = Sandbox::new();
    sandbox.add_settings("[aws_cli]\nshare_access_token = true\n");
    let rules = sandbox.home().join("rules");
    write_endpoint_rules(&rules, sandbox.fake().url());
    sandbox.write_aws_config(&sandbox.fake().aws_config());
    sandbox.start_daemon();
    assert!(run(&mut boto3(&sandbox)).stderr.contains("Token for sso-session-adminUser does not exist"));

    sandbox.login(TestUser::ADMIN).succeeded();
    wait_until("the token is shared", || shared_token(&sandbox).is_some());
    let token = shared_token(&sandbox).unwrap();
    assert!(
        token["accessToken"].is_string()
            && token["refreshToken"].is_null()
            && token["clientSecret"].is_null()
    );
    assert_eq!(fs::metadata(token_file(&sandbox)).unwrap().mode() & 0o777, 0o600);
    assert!(run(&mut boto3(&sandbox)).succeeded().starts_with("ASIA"));

    // After a renewal, the file contains the renewed token.
    sandbox.fake().advance_clock(Duration::from_mins(50));
    sandbox.ssod(&["list", "adminUser"]).succeeded();
    wait_until("the renewed token is shared", || {
        shared_token(&sandbox).is_some_and(|renewed| renewed != token)
    });

    // A sign-out with the AWS CLI also signs ssod out, and ssod does not write the file again.
    assert_eq!(run(aws(&sandbox, &rules).args(["sso", "logout"])).status, 0);
    wait_until("the sign-out is adopted", || state(&sandbox) == SessionState::SignedOut);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(shared_token(&sandbox), None);

    // ssod adopts a sign-in with the AWS CLI, and removes the refresh token from the file.
    sign_in(&sandbox, &rules);
    wait_until("the sign-in is adopted", || state(&sandbox) == SessionState::Active);
    wait_until("the refresh token is removed", || {
        shared_token(&sandbox).is_some_and(|token| token["refreshToken"].is_null())
    });
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    assert!(run(&mut boto3(&sandbox)).succeeded().starts_with("ASIA"));

    sandbox.ssod(&["logout"]).succeeded();
    wait_until("the file is removed", || !token_file(&sandbox).exists());
}
