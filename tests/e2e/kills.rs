//! Kills the daemon two hundred times with SIGKILL while tokens with a lifetime of one second rotate. One sign-in is
//! enough, except for kills between the moment when AWS accepts a refresh token and the moment when the daemon has
//! saved the answer. The protocol cannot close that window.

use std::time::{Duration, Instant};

use ssod_control::SessionState;
use ssod_fake_identity_center::LoggedRequest;
use ssod_testkit::{Sandbox, TestUser, wait_until};

const KILLS: u64 = 200;
/// More renewals than this must succeed, so that the kills interrupt some of them.
const MIN_RENEWALS: usize = 50;

/// Returns the calls with a refresh token.
fn refreshes(sandbox: &Sandbox) -> Vec<LoggedRequest> {
    let is_refresh = |request: &LoggedRequest| {
        request.operation == "CreateToken" && request.detail.contains("refresh_token")
    };
    sandbox.fake().log().into_iter().filter(is_refresh).collect()
}

/// Returns how many of the calls succeeded.
fn count_successful(refreshes: &[LoggedRequest]) -> usize {
    refreshes.iter().filter(|request| request.status == 200).count()
}

/// Returns the times, in milliseconds, when the daemon logged a renewed sign-in, which it does after it has saved the
/// tokens.
fn saved_at_ms(sandbox: &Sandbox) -> Vec<i64> {
    let log = sandbox.daemon().log();
    let lines = log.lines().filter(|line| line.contains("sign-in renewed"));
    let instant = |line: &str| line.split_whitespace().next()?.parse::<jiff::Timestamp>().ok();
    lines.filter_map(instant).map(jiff::Timestamp::as_millisecond).collect()
}

fn session_has_ended(sandbox: &Sandbox) -> bool {
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
    // On any machine, there are enough kills, and enough renewals that they can interrupt.
    while kills < KILLS || count_successful(&refreshes(&sandbox)) <= MIN_RENEWALS {
        assert!(Instant::now() < deadline, "too few renewals in {kills} kills");
        // The kills are spread evenly over the time of a renewal and of a lifetime, in the same way in each run.
        std::thread::sleep(Duration::from_millis(kills * 37 % 211));
        kills += 1;
        sandbox.daemon().kill();
        sandbox.start_daemon();
        if session_has_ended(&sandbox) {
            sandbox.login(TestUser::ADMIN).succeeded();
            sign_ins += 1;
        }
    }
    // The last kill may also have been in the window, which the next refresh shows.
    let so_far = refreshes(&sandbox).len();
    wait_until("the next refresh is answered", || {
        refreshes(&sandbox).len() > so_far || session_has_ended(&sandbox)
    });
    let (refreshes, saves) = (refreshes(&sandbox), saved_at_ms(&sandbox));
    let mut kills_in_window = 0;
    for pair in refreshes.windows(2) {
        let [before, after] = pair else { unreachable!() };
        // A refusal after a refusal is not another loss: the daemon was killed before it had saved the result of the
        // first refusal.
        if before.status != 200 || after.status == 200 {
            continue;
        }
        let was_saved = saves.iter().any(|saved| (before.at_ms..=after.at_ms).contains(saved));
        assert!(!was_saved, "the token of {before:?} was saved, but {after:?} was refused");
        kills_in_window += 1;
    }
    let renewals = count_successful(&refreshes);
    println!(
        "{kills} kills, {renewals} renewals, {sign_ins} sign-ins, {kills_in_window} kills in the window"
    );
    assert!(sign_ins <= 1 + kills_in_window, "{sign_ins} sign-ins, {kills_in_window} kills in the window");
}
