//! Runs every check on its corpus and on random mutations of it, in a few seconds. libFuzzer does the long runs.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a panic fails the test")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use ssod_fuzz::TARGETS;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{} has too few inputs", folder.display());
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A random change of the bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
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
        (any::<Index>(), 1u8..).prop_map(|(at, flip)| Mutation::Flip(at, flip)),
        (any::<Index>(), some).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), words).prop_map(|(at, word)| Mutation::Insert(at, word.as_bytes().to_vec())),
        (any::<Index>(), 1u8..32).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (any::<Index>(), 1u8..64).prop_map(|(at, count)| Mutation::Repeat(at, count)),
    ]
}

fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let end = bytes.len();
        match mutation {
            Mutation::Flip(at, flip) if end > 0 => bytes[at.index(end)] ^= flip,
            Mutation::Insert(at, new) => {
                let at = at.index(end + 1);
                bytes.splice(at..at, new.iter().copied());
            }
            Mutation::Remove(at, count) if end > 0 => {
                let at = at.index(end);
                bytes.drain(at..(at + usize::from(*count)).min(end));
            }
            Mutation::Repeat(at, count) if end > 0 => {
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
    let strategy = (any::<Index>(), prop::collection::vec(mutation(), 1..6));
    runner
        .run(&strategy, |(case, mutations)| {
            check(&mutate(corpus[case.index(corpus.len())].clone(), &mutations));
            Ok(())
        })
        .unwrap();
}

#[test]
fn config_files_are_parsed_or_refused() {
    run("config", 3_000);
}

#[test]
fn control_messages_survive_a_round_trip() {
    run("control", 3_000);
}

#[test]
fn the_endpoint_serves_only_the_right_token() {
    run("endpoint", 1_500);
}

#[test]
fn an_endpoints_url_shows_no_password_and_leads_to_tls_or_loopback() {
    run("endpoint_url", 10_000);
}

#[test]
fn identity_centers_answers_are_parsed_or_refused() {
    run("answers", 5_000);
}

#[test]
fn only_intact_sealed_files_open() {
    run("vault_header", 3_000);
}

#[test]
fn invalid_records_are_set_aside() {
    run("vault_record", 300);
}
