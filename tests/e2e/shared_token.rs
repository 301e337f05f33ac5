//! `share_access_token`: tools that know nothing but the AWS CLI's token file find an access token there, and nothing else; a
//! sign-in or a sign-out with the CLI counts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use ssod_testkit::{Person, Sandbox, get, interop, run};

use super::aws_cli_sign_in::{aws, rules, sign_in};

/// Where the CLI looks for the session's token.
fn token_file(sandbox: &Sandbox) -> PathBuf {
    // SHA-1 of "sso-session-adminUser".
    sandbox.home().join(".aws/sso/cache/598ed35e94aec485b620907ac0a002f002065a7b.json")
}

fn shared(sandbox: &Sandbox) -> Option<Value> {
    serde_json::from_slice(&fs::read(token_file(sandbox)).ok()?).ok()
}

/// boto3 with a profile in AWS's own form: it reads the CLI's token file, and asks the portal by itself.
fn boto3(sandbox: &Sandbox) -> Command {
    let program = "import boto3; print(boto3.Session(profile_name='adminUser').get_credentials().get_frozen_credentials().access_key)";
    let mut command = sandbox.command(interop().join("bin/python"));
    command.args(["-c", program]);
    command
}

fn state(sandbox: &Sandbox) -> String {
    sandbox.status()["sessions"][0]["state"].as_str().unwrap().to_owned()
}

#[test]
fn other_tools_find_the_access_token_and_a_sign_in_or_out_with_the_cli_counts() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[aws_cli]\nshare_access_token = true\n");
    let data = sandbox.home().join("rules");
    rules(&data, sandbox.fake_url());
    fs::create_dir_all(sandbox.home().join(".aws")).unwrap();
    fs::write(sandbox.aws_config(), get(&format!("{}/fake/aws-config", sandbox.fake_url())).body).unwrap();
    sandbox.start_daemon();
    assert!(run(&mut boto3(&sandbox)).stderr.contains("Token for sso-session-adminUser does not exist"));

    sandbox.login(Person::ADMIN).succeeded();
    sandbox.eventually("the token is shared", || shared(&sandbox).is_some());
    let token = shared(&sandbox).unwrap();
    assert!(
        token["accessToken"].is_string()
            && token["refreshToken"].is_null()
            && token["clientSecret"].is_null()
    );
    assert_eq!(fs::metadata(token_file(&sandbox)).unwrap().mode() & 0o777, 0o600);
    assert!(run(&mut boto3(&sandbox)).succeeded().starts_with("ASIA"));

    // The token is renewed, and the file follows.
    sandbox.tell_fake("clock", &serde_json::json!({ "advance_ms": 3_000_000 }));
    sandbox.ssod(&["list", "adminUser"]).succeeded();
    sandbox.eventually("the renewed token is shared", || shared(&sandbox).is_some_and(|now| now != token));

    // Somebody signs out with the CLI: nothing is put back, and ssod is signed out, too.
    assert_eq!(run(aws(&sandbox, &data).args(["sso", "logout"])).status, 0);
    sandbox.eventually("the sign-out counts", || state(&sandbox) == "signed_out");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(shared(&sandbox), None);

    // Somebody signs in with the CLI: ssod goes on from there, and keeps the refresh token to itself.
    sign_in(&sandbox, &data);
    sandbox.eventually("the sign-in counts", || state(&sandbox) == "active");
    sandbox.eventually("the refresh token is ssod's", || {
        shared(&sandbox).is_some_and(|token| token["refreshToken"].is_null())
    });
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    assert!(run(&mut boto3(&sandbox)).succeeded().starts_with("ASIA"));

    sandbox.ssod(&["logout"]).succeeded();
    sandbox.eventually("nothing is shared", || !token_file(&sandbox).exists());
}
