//! The engine under random faults.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use ssod_simulation::{die_at, storm};

/// The seeds of a test run; `cargo xtask bench` tries more.
const SEEDS: u64 = 500;

#[test]
fn no_storm_breaks_a_promise() {
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
fn a_death_loses_a_sign_in_only_in_the_protocols_window() {
    let all = die_at(None);
    assert!(all.steps > 100 && all.lost_in_window == 0, "{all:?}");
    let mut lost = 0;
    for step in 1..=all.steps {
        let outcome = die_at(Some(step));
        assert!(outcome.broken.is_empty(), "step {step} of {}: {:#?}", all.steps, outcome.broken);
        lost += outcome.lost_in_window;
    }
    // The window has two steps: the answer has arrived, and the file is not yet replaced.
    assert!(lost > 0 && lost <= 2 * all.renewals, "{lost} of {} steps, {} renewals", all.steps, all.renewals);
    println!("{lost} of {} deaths were in the window of one of {} renewals", all.steps, all.renewals);
}
