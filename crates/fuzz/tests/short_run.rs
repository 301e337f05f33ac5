//! Every body over its corpus, and over random changes of it: a few seconds in every test run. The long runs are
//! libFuzzer's.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "what fails, fails the test")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use ssod_fuzz::TARGETS;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{} has too few cases", folder.display());
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let some = prop::collection::vec(any::<u8>(), 1..8);
    let words = prop::sample::select(vec![
        "\r\n",
        ":",
        "127.0.0.1",
        "[",
        "]",
        "=",
        "\"",
        "{",
        "}",
        "\\",
        "%",
        "\u{0}",
        "99999999999999999999",
        "-1",
    ]);
    prop_oneof![
        (any::<Index>(), 1u8..).prop_map(|(at, flip)| Change::Flip(at, flip)),
        (any::<Index>(), some).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), words).prop_map(|(at, word)| Change::Insert(at, word.as_bytes().to_vec())),
        (any::<Index>(), 1u8..32).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), 1u8..64).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let end = bytes.len();
        match change {
            Change::Flip(at, flip) if end > 0 => bytes[at.index(end)] ^= flip,
            Change::Insert(at, new) => {
                let at = at.index(end + 1);
                bytes.splice(at..at, new.iter().copied());
            }
            Change::Remove(at, count) if end > 0 => {
                let at = at.index(end);
                bytes.drain(at..(at + usize::from(*count)).min(end));
            }
            Change::Repeat(at, count) if end > 0 => {
                let at = at.index(end);
                let part = bytes[at..(at + usize::from(*count)).min(end)].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {}
        }
    }
    bytes
}

fn run(target: &str, cases: u32) {
    let (_, check) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let corpus = corpus(target);
    check(b"");
    for case in &corpus {
        check(case);
    }
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let strategy = (any::<Index>(), prop::collection::vec(change(), 1..6));
    runner
        .run(&strategy, |(case, changes)| {
            check(&changed(corpus[case.index(corpus.len())].clone(), &changes));
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_config_files() {
    run("config", 3_000);
}

#[test]
fn the_control_apis_bodies() {
    run("control", 3_000);
}

#[test]
fn the_endpoints_connections() {
    run("endpoint", 1_500);
}

#[test]
fn identity_centers_answers() {
    run("answers", 5_000);
}

#[test]
fn the_vaults_header() {
    run("vault_header", 3_000);
}

#[test]
fn the_vaults_records() {
    run("vault_record", 300);
}
