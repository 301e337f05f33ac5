//! The endpoint's tokens are renewed daily; the previous ones are valid for another day.

use std::fs;
use std::path::PathBuf;

use ssod_testkit::{Sandbox, wait_until};

use crate::clock_jumps::{start_with_clock, with_shiftable_clock};

fn status(sandbox: &Sandbox, token: &str) -> u16 {
    sandbox.daemon().credentials_with_token("adminUser", token).status
}

/// The user is signed out, so that no answer of AWS corrects the daemon's clock; the refusal `LoginRequired` shows that
/// the token is accepted.
fn is_accepted(sandbox: &Sandbox, token: &str) -> bool {
    match status(sandbox, token) {
        401 => false,
        403 => true,
        other => panic!("{other}"),
    }
}

#[test]
fn an_old_token_ends_after_the_next_day_and_the_file_always_has_the_present_one() {
    let (mut sandbox, clock) = with_shiftable_clock("");
    sandbox.ssod(&["logout"]).succeeded();
    let first = sandbox.daemon().token("adminUser");
    let file = sandbox.daemon().token_file("adminUser");
    let file_token = || fs::read_to_string(&file).unwrap();
    let variable_token =
        |sandbox: &Sandbox| sandbox.daemon().variable("adminUser", "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    assert!(is_accepted(&sandbox, &first) && file_token() == first);
    fs::write(&clock, "+25h").unwrap();
    // libfaketime does not fake the timer, so the daemon notices the time when its settings change.
    sandbox.add_settings("# changed\n");
    wait_until("the token is renewed", || file_token() != first);
    let second = file_token();
    assert!(is_accepted(&sandbox, &first) && is_accepted(&sandbox, &second), "open shells work");
    assert_eq!(variable_token(&sandbox), second);
    // A restart changes nothing.
    sandbox.daemon().kill();
    start_with_clock(&mut sandbox, &clock);
    assert!(is_accepted(&sandbox, &first) && is_accepted(&sandbox, &second) && file_token() == second);
    // The first token ends a day after its renewal.
    sandbox.daemon().kill();
    fs::write(&clock, "+48h").unwrap();
    start_with_clock(&mut sandbox, &clock);
    assert!(!is_accepted(&sandbox, &first) && is_accepted(&sandbox, &second));
    // A revocation ends both.
    sandbox.ssod(&["logout", "--revoke-shells"]).succeeded();
    assert!(!is_accepted(&sandbox, &first) && !is_accepted(&sandbox, &second));
    let third = variable_token(&sandbox);
    let new_file = sandbox.daemon().variable("adminUser", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let new_file = PathBuf::from(new_file);
    assert!(is_accepted(&sandbox, &third) && !file.exists());
    // The machine was off for a week.
    sandbox.daemon().kill();
    fs::write(&clock, "+200h").unwrap();
    start_with_clock(&mut sandbox, &clock);
    wait_until("a shell with the file works", || {
        fs::read_to_string(&new_file).is_ok_and(|token| token != third && is_accepted(&sandbox, &token))
    });
    assert!(!is_accepted(&sandbox, &third));
}
