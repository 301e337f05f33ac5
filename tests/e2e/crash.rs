//! `kill -9`, and what is left of it; a stop in order; and only one daemon.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use ssod_testkit::{Person, Sandbox, programs, run};

fn key_id(sandbox: &Sandbox) -> String {
    let reply = sandbox.credentials("adminUser");
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["AccessKeyId"].as_str().unwrap().to_owned()
}

#[test]
fn after_kill_9_the_first_answer_comes_from_the_vault_even_offline() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    let cache = sandbox.state().join("vault/role-credentials.sealed");
    let sealed = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |facts| facts.len());
    let before = key_id(&sandbox);
    sandbox.eventually("the cache is written", || sealed(&cache) > 200);
    sandbox.daemon().kill();
    sandbox.stop_fake();
    sandbox.start_daemon();
    assert_eq!(key_id(&sandbox), before);
    assert_eq!(sandbox.status()["sessions"][0]["state"], "active");
}

#[test]
fn after_kill_9_the_sign_in_goes_on_with_rotating_tokens() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    for _ in 0..5 {
        sandbox.daemon().kill();
        sandbox.start_daemon();
        // An hour later everything must be renewed by the refresh token that the vault kept.
        sandbox.tell_fake("clock", &serde_json::json!({ "advance_ms": 3_000_000 }));
        sandbox.ssod(&["list", "adminUser"]).succeeded();
        assert_eq!(sandbox.status()["sessions"][0]["state"], "active");
    }
    assert_eq!(sandbox.count("RegisterClient"), 1, "nobody signed in again");
}

#[test]
fn a_stop_in_order_takes_less_than_a_second_and_keeps_everything() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    let before = key_id(&sandbox);
    let start = Instant::now();
    sandbox.daemon().signal(Signal::TERM);
    assert_eq!(sandbox.daemon().wait(Duration::from_secs(5)), Some(0));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(!sandbox.home().join("run/ssod/control.sock").exists());
    sandbox.stop_fake();
    sandbox.start_daemon();
    assert_eq!(key_id(&sandbox), before);
}

#[test]
fn a_second_daemon_says_so_and_ends() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    let pid = sandbox.daemon().pid().to_string();
    let second = run(&mut sandbox.command(programs().join("ssod-daemon"))).failed_with(3);
    assert!(second.contains("runs already") && second.contains(&pid), "{second}");
    assert_eq!(sandbox.credentials("adminUser").status, 200, "the first is undisturbed");
}

#[test]
fn the_first_command_starts_the_daemon() {
    let sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    let status = sandbox.status();
    assert_eq!(status["profiles"][0]["name"], "adminUser");
    assert_eq!(status["daemon"]["port"], sandbox.port);
}
