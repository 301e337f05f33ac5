//! The daemon is killed, stopped, or started a second time.

use std::time::{Duration, Instant};

use ssod_control::SessionState;
use ssod_testkit::{Sandbox, TestUser, fastest_of, run};

fn access_key_id(sandbox: &Sandbox) -> String {
    let reply = sandbox.daemon().credentials("adminUser");
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["AccessKeyId"].as_str().unwrap().to_owned()
}

#[test]
fn after_a_kill_the_vault_answers_the_first_request_even_offline() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let before = access_key_id(&sandbox);
    sandbox.daemon().wait_until_credentials_are_saved();
    sandbox.daemon().kill();
    sandbox.fake().stop();
    sandbox.start_daemon();
    assert_eq!(access_key_id(&sandbox), before);
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
}

#[test]
fn after_a_kill_the_sign_in_continues_with_rotating_tokens() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    for _ in 0..5 {
        sandbox.daemon().kill();
        sandbox.start_daemon();
        // The access token has expired, so it must be renewed with the refresh token from the vault.
        sandbox.fake().advance_clock(Duration::from_mins(50));
        sandbox.ssod(&["list", "adminUser"]).succeeded();
        assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
    }
    assert_eq!(sandbox.fake().successful_calls("RegisterClient"), 1, "another sign-in was needed");
}

#[test]
fn a_graceful_stop_takes_less_than_a_second_and_loses_nothing() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let before = access_key_id(&sandbox);
    let took = fastest_of(3, || {
        let start = Instant::now();
        assert_eq!(sandbox.daemon().terminate(), 0);
        let took = start.elapsed();
        sandbox.start_daemon();
        took
    });
    assert!(took < Duration::from_secs(1), "{took:?}");
    sandbox.daemon().terminate();
    assert!(!sandbox.daemon().socket().exists());
    sandbox.fake().stop();
    sandbox.start_daemon();
    assert_eq!(access_key_id(&sandbox), before);
}

#[test]
fn a_second_daemon_reports_the_first_and_exits() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let pid = sandbox.daemon().pid().to_string();
    let error = run(&mut sandbox.daemon_command()).failed_with(3);
    assert!(error.contains("is already running") && error.contains(&pid), "{error}");
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200, "the first daemon is affected");
}

#[test]
fn the_first_command_starts_the_daemon() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let status = sandbox.daemon().status();
    assert_eq!(status.profiles[0].name, "adminUser");
    assert_eq!(status.daemon.port, sandbox.daemon().port());
}
