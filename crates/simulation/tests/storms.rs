//! The engine in all kinds of trouble.
#![allow(clippy::unwrap_used, reason = "what fails, fails the test")]

use ssod_simulation::{die_at, storm};

/// How many seeds a test run tries; `cargo xtask bench` tries more.
const SEEDS: u64 = 500;

#[test]
fn whatever_happens_every_promise_is_kept() {
    let first = std::env::var("SSOD_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = first.map_or(0..SEEDS, |seed| seed..seed + 1);
    let (mut served, mut lost, mut sign_ins) = (0, 0, 0);
    for seed in seeds {
        let outcome = storm(seed);
        assert!(outcome.broken.is_empty(), "SSOD_SEED={seed}: {:#?}", outcome.broken);
        served += outcome.served;
        lost += outcome.lost_in_window;
        sign_ins += outcome.sign_ins;
    }
    println!("{served} requests served, {sign_ins} sign-ins, {lost} of them lost in the protocol's window");
}

#[test]
fn a_death_at_any_step_loses_nothing_but_in_the_protocols_window() {
    let all = die_at(0);
    assert!(all.steps > 100 && all.lost_in_window == 0, "{all:?}");
    let mut deadly = 0;
    for step in 1..=all.steps {
        let outcome = die_at(step);
        assert!(outcome.broken.is_empty(), "step {step} of {}: {:#?}", all.steps, outcome.broken);
        deadly += outcome.lost_in_window;
    }
    // The window has two steps: the answer has come, and the file is about to be in place.
    assert!(
        deadly > 0 && deadly <= 2 * all.renewals,
        "{deadly} of {} steps, {} renewals",
        all.steps,
        all.renewals
    );
    println!("{deadly} of {} deaths were in the window of one of {} renewals", all.steps, all.renewals);
}
