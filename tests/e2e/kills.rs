//! Two hundred kills with SIGKILL while tokens that live one second rotate. One sign-in is enough, except for kills
//! between the moment when AWS accepts a refresh token and the moment when the daemon has saved the answer: the
//! protocol cannot close that window.

use std::time::{Duration, Instant};

use ssod_control::SessionState;
use ssod_fake_identity_center::LoggedRequest;
use ssod_testkit::{Sandbox, TestUser, wait_until};

const KILLS: u64 = 200;
/// How many renewals there must be, so that the kills can interrupt some.
const RENEWALS: usize = 50;

/// Returns the calls that used a refresh token.
fn refreshes(sandbox: &Sandbox) -> Vec<LoggedRequest> {
    let is_refresh = |request: &LoggedRequest| {
        request.operation == "CreateToken" && request.detail.contains("refresh_token")
    };
    sandbox.fake().log().into_iter().filter(is_refresh).collect()
}

/// Returns how many of the calls succeeded.
fn renewals(refreshes: &[LoggedRequest]) -> usize {
    refreshes.iter().filter(|request| request.status == 200).count()
}

/// Returns when the daemon logged a renewed sign-in, which it does after it has saved the tokens; in milliseconds.
fn saves(sandbox: &Sandbox) -> Vec<i64> {
    let log = sandbox.daemon().log();
    let lines = log.lines().filter(|line| line.contains("sign-in renewed"));
    let instant = |line: &str| line.split_whitespace().next()?.parse::<jiff::Timestamp>().ok();
    lines.filter_map(instant).map(jiff::Timestamp::as_millisecond).collect()
}

fn has_ended(sandbox: &Sandbox) -> bool {
    // The state is signed out if the session had ended before the last kill.
    matches!(sandbox.daemon().status().sessions[0].state, SessionState::Expired | SessionState::SignedOut)
}

#[test]
fn two_hundred_kills_lose_a_sign_in_only_in_the_window_of_the_protocol() {
    let mut sandbox = Sandbox::with_lifetime("1s");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    // A renewal takes some time, as over a real network.
    sandbox.fake().delay("CreateToken", Duration::from_millis(40));
    let mut sign_ins = 1;
    let deadline = Instant::now() + Duration::from_mins(3);
    let mut kills = 0;
    // At least so many kills, and enough renewals among them, however fast the machine is.
    while kills < KILLS || renewals(&refreshes(&sandbox)) <= RENEWALS {
        assert!(Instant::now() < deadline, "too few renewals in {kills} kills");
        // Spread evenly over the time of a renewal and of a lifetime, and the same in each run.
        std::thread::sleep(Duration::from_millis(kills * 37 % 211));
        kills += 1;
        sandbox.daemon().kill();
        sandbox.start_daemon();
        if has_ended(&sandbox) {
            sandbox.login(TestUser::ADMIN).succeeded();
            sign_ins += 1;
        }
    }
    // The last kill may have been in the window, too, which the next refresh shows.
    let so_far = refreshes(&sandbox).len();
    wait_until("the next refresh is answered", || refreshes(&sandbox).len() > so_far || has_ended(&sandbox));
    let (refreshes, saves) = (refreshes(&sandbox), saves(&sandbox));
    let mut kills_in_window = 0;
    for pair in refreshes.windows(2) {
        let [before, after] = pair else { unreachable!() };
        // Of two refusals in a row, the second follows a kill before the daemon had saved the first.
        if before.status != 200 || after.status == 200 {
            continue;
        }
        let was_saved = saves.iter().any(|saved| (before.at_ms..=after.at_ms).contains(saved));
        assert!(!was_saved, "the token of {before:?} was saved, but {after:?} was refused");
        kills_in_window += 1;
    }
    let renewals = renewals(&refreshes);
    println!(
        "{kills} kills, {renewals} renewals, {sign_ins} sign-ins, {kills_in_window} kills in the window"
    );
    assert!(sign_ins <= 1 + kills_in_window, "{sign_ins} sign-ins, {kills_in_window} kills in the window");
}
