//! Runs the engine under random faults, and kills it at every step.
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
        assert!(outcome.broken_promises.is_empty(), "SSOD_SEED={seed}: {:#?}", outcome.broken_promises);
        served += outcome.served;
        lost += outcome.lost_in_window;
        sign_ins += outcome.sign_ins;
    }
    println!("{served} requests served, {sign_ins} sign-ins, {lost} of them lost in the protocol's window");
}

#[test]
fn a_kill_at_any_step_loses_a_sign_in_only_in_the_protocols_window() {
    let undisturbed = die_at(None);
    assert!(undisturbed.steps > 100 && undisturbed.lost_in_window == 0, "{undisturbed:?}");
    let mut lost = 0;
    for step in 1..=undisturbed.steps {
        let outcome = die_at(Some(step));
        assert!(
            outcome.broken_promises.is_empty(),
            "step {step} of {}: {:#?}",
            undisturbed.steps,
            outcome.broken_promises
        );
        lost += outcome.lost_in_window;
    }
    // The window of a renewal has two steps: AWS has executed the call and the answer has not arrived; and the answer
    // has arrived and is not yet saved.
    assert!(
        lost > 0 && lost <= 2 * undisturbed.renewals,
        "{lost} of {} steps, {} renewals",
        undisturbed.steps,
        undisturbed.renewals
    );
    println!(
        "{lost} of {} deaths were in the window of one of {} renewals",
        undisturbed.steps, undisturbed.renewals
    );
}
