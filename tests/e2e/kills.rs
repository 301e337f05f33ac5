//! `kill -9` two hundred times, at random moments, while tokens of one second rotate: one sign-in is enough, but for kills
//! between AWS's spending the refresh token and the save of its answer, which the protocol leaves open.

use std::time::Duration;

use serde_json::Value;
use ssod_testkit::{Person, Sandbox, get};

const KILLS: usize = 200;
fn refreshes(sandbox: &Sandbox) -> Vec<(i64, bool)> {
    let log = get(&format!("{}/fake/log", sandbox.fake_url())).json();
    let is_refresh = |one: &&Value| {
        one["operation"] == "CreateToken"
            && one["detail"].as_str().is_some_and(|text| text.contains("refresh_token"))
    };
    let refresh = |one: &Value| (one["at_ms"].as_i64().unwrap(), one["status"] == 200);
    log.as_array().unwrap().iter().filter(is_refresh).map(refresh).collect()
}

/// When the daemon said, after the save, that it had renewed the sign-in.
fn saves(sandbox: &Sandbox) -> Vec<i64> {
    let log = sandbox.daemon_log();
    let lines = log.lines().filter(|line| line.contains("sign-in renewed"));
    let instant = |line: &str| line.split_whitespace().next()?.parse::<jiff::Timestamp>().ok();
    lines.filter_map(instant).map(jiff::Timestamp::as_millisecond).collect()
}

#[test]
fn two_hundred_kills_during_renewals_cost_no_sign_in_but_in_the_protocols_window() {
    let mut sandbox = Sandbox::with_lives("1s");
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    // A renewal takes its time, as it does over a real network.
    let slowly = serde_json::json!({ "kind": "delay", "operation": "CreateToken", "delay_ms": 40 });
    sandbox.tell_fake("fault", &slowly);
    let mut sign_ins = 1;
    // Spread evenly over what a renewal and a life take, and the same in each run.
    for number in 0..KILLS {
        std::thread::sleep(Duration::from_millis(u64::try_from(number * 37 % 211).unwrap()));
        sandbox.daemon().kill();
        sandbox.start_daemon();
        // A session that ended before the last kill is merely signed out by now.
        if ["expired", "signed_out"].contains(&sandbox.status()["sessions"][0]["state"].as_str().unwrap()) {
            sandbox.login(Person::ADMIN).succeeded();
            sign_ins += 1;
        }
    }
    // The last one may have been in the window, too.
    std::thread::sleep(Duration::from_secs(3));
    let (log, saves) = (refreshes(&sandbox), saves(&sandbox));
    let mut in_window = 0;
    // Refused twice in a row: the kill came before the refusal was noted.
    for (given, refused) in log.iter().zip(log.iter().skip(1)).filter(|(before, after)| before.1 && !after.1)
    {
        let was_saved = saves.iter().any(|saved| (given.0..=refused.0).contains(saved));
        assert!(!was_saved, "refused at {refused:?} what was given at {given:?} and saved");
        in_window += 1;
    }
    let renewals = log.iter().filter(|(_, done)| *done).count();
    println!("{KILLS} kills, {renewals} renewals, {sign_ins} sign-ins, {in_window} kills in the window");
    assert!(renewals > KILLS / 4, "{renewals} renewals");
    assert!(sign_ins <= 1 + in_window, "{sign_ins} sign-ins, {in_window} kills in the window");
}
