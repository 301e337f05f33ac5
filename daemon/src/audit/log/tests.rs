use std::path::Path;

use ssod_control::{AuditEntry, AuditOutcome};
use ssod_endpoint::{Caller, Outcome};

use super::*;

const BOB: u32 = 4_242;

fn paths(folder: &Path) -> Paths {
    let at = |name: &str| folder.join(name);
    Paths {
        home: at("home"),
        settings: at("config.toml"),
        state: folder.to_owned(),
        runtime: at("run"),
        socket: at("run/control.sock"),
        aws_config: at("config"),
        aws_credentials: at("credentials"),
        aws_cache: at("cache"),
    }
}

fn access(uid: u32, profile: &str, inode: u32, outcome: Outcome) -> Access {
    Access {
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        caller: Caller { uid: Some(uid), inode, cgroup: None },
        protocol: Protocol::Container,
        profile: ProfileName::parse(profile).ok(),
        outcome,
        is_first: false,
    }
}

fn refused(code: &'static str, reason: &str) -> Outcome {
    Outcome::Refused { code: code.into(), reason: reason.to_owned() }
}

fn entries(path: &Path) -> Vec<AuditEntry> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The entries of both logs.
struct Written {
    grants: Vec<AuditEntry>,
    refusals: Vec<AuditEntry>,
}

fn written(note: impl FnOnce(&AuditLog)) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let paths = paths(folder.path());
    let log = AuditLog::start(&paths, Box::new(|_, _| {})).unwrap();
    note(&log);
    log.finish(Duration::from_secs(10));
    Written { grants: entries(&paths.audit()), refusals: entries(&paths.audit_refusals()) }
}

fn peer(uid: u32) -> UnixPeer {
    UnixPeer { uid, process: ssod_peer::Process::default() }
}

fn control(outcome: NoteOutcome, program: Option<Program>) -> ControlNote {
    let via = AuditVia::CredentialProcess;
    let profile = ProfileName::parse("adminUser").ok();
    ControlNote { via, action: None, program, profile, detail: None, outcome }
}

#[test]
fn repeats_are_counted_into_one_line() {
    let Written { grants, refusals } = written(|log| {
        for inode in 0..1_000 {
            let outcome = refused("CallerRefused", "CallerRefused: it belongs to another user");
            log.note(access(BOB, "adminUser", inode, outcome));
        }
        let at = Timestamp::from_second(1).unwrap();
        for pid in [7, 7, 8] {
            let program = Program { pid, path: "/bin/p".to_owned(), name: "p".to_owned() };
            log.note_control(at, &peer(1), control(NoteOutcome::Served, Some(program)));
        }
    });
    let seen =
        |entries: &[AuditEntry]| entries.iter().map(|entry| (entry.pid, entry.repeated)).collect::<Vec<_>>();
    assert_eq!(seen(&refusals), [(None, 0), (None, 999)]);
    assert_eq!(seen(&grants), [(Some(7), 0), (Some(8), 0), (Some(7), 1)]);
    assert!(grants.iter().all(|entry| entry.outcome == AuditOutcome::Served));
}

#[test]
fn every_grant_that_connections_count_is_in_the_log() {
    const CONNECTIONS: u32 = 8;
    const GRANTS: u64 = 5_000;
    let Written { grants, .. } = written(|log| {
        std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                scope.spawn(move || {
                    // Two connections belong to one caller.
                    let first = access(BOB, "adminUser", connection / 2, Outcome::Served);
                    let Access { at, caller, protocol, .. } = first.clone();
                    log.note(first);
                    let profile = ProfileName::parse("adminUser").unwrap();
                    let counter = log.repeats(Grant { caller, protocol, profile });
                    for _ in 1..GRANTS {
                        counter.count(at);
                    }
                });
            }
        });
        assert!(log.last_served().is_some());
    });
    let counted: u64 =
        grants.iter().map(|entry| u64::from(entry.repeated == 0) + entry.repeated + entry.lost).sum();
    assert_eq!(counted, u64::from(CONNECTIONS) * GRANTS);
    assert!(grants.len() < 100, "{} lines", grants.len());
}

/// Each of these floods replaced every other entry of the log, when there was one log with the names in its keys.
#[test]
fn a_flood_of_refusals_with_invented_names_is_a_few_lines_and_hides_no_grant() {
    const GRANTS: u32 = 40;
    let begun = Instant::now();
    let Written { grants, refusals } = written(|log| {
        let at = Timestamp::from_second(1).unwrap();
        for number in 0..24_000_u32 {
            let name = format!("invented-{number}");
            let reason = format!("ProfileNotFound: Profile \"{name}\"");
            // Bob may also act as any of his subordinate users.
            let uid = if number % 2 == 0 { BOB } else { 100_000 + number };
            log.note(access(uid, &name, number, refused("ProfileNotFound", &reason)));
            if number % (24_000 / GRANTS) == 0 {
                let program = Program { pid: number, path: "/bin/p".to_owned(), name: "p".to_owned() };
                log.note_control(at, &peer(1), control(NoteOutcome::Served, Some(program)));
            }
        }
    });
    assert_eq!(grants.len(), GRANTS as usize);
    assert!(grants.iter().all(|entry| entry.program.as_deref() == Some("p") && entry.lost == 0));
    assert!(refusals.len() < 1_000, "{} lines", refusals.len());
    let counted: u64 =
        refusals.iter().map(|entry| u64::from(entry.repeated == 0) + entry.repeated + entry.lost).sum();
    assert_eq!(counted, 24_000, "every refusal is in a line, or in a count");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_kind_of_refusal_has_a_few_lines_with_different_names() {
    let Written { refusals, .. } = written(|log| {
        for round in 0..3 {
            for name in ["a", "b", "c", "d", "e", "f", "g"] {
                log.note(access(BOB, name, 0, refused("ProfileNotFound", &format!("no {name}"))));
            }
            log.note(access(BOB, "a", 0, refused("InvalidToken", "wrong")));
            assert!(round < 3);
        }
    });
    let names: Vec<_> = refusals.iter().map(|entry| (entry.profile.as_deref(), entry.repeated)).collect();
    let lines = ["a", "b", "c", "d", "e", "a"].map(|name| (Some(name), 0));
    assert_eq!(names[..6], lines, "{names:?}");
    assert_eq!(names[6..], [(None, 16), (Some("a"), 2)], "{names:?}");
    assert_eq!(refusals[6].reason.as_deref(), Some("ProfileNotFound"), "it counts several names");
}

#[test]
fn grants_that_find_a_full_queue_are_counted() {
    const GRANTS: u64 = 60_000;
    let Written { grants, .. } = written(|log| {
        let at = Timestamp::from_second(1).unwrap();
        for number in 0..GRANTS {
            let program =
                Program { pid: u32::try_from(number).unwrap(), path: String::new(), name: String::new() };
            log.note_control(at, &peer(1), control(NoteOutcome::Served, Some(program)));
        }
    });
    // The oldest lines are rotated away, with their numbers.
    let oldest = grants.first().unwrap().seq;
    assert!(grants.iter().any(|entry| entry.repeated > 0), "the queue was never full");
    let counts: u64 = grants.iter().map(|entry| entry.repeated).sum();
    let lines = grants.iter().filter(|entry| entry.repeated == 0).count() as u64;
    assert!(oldest - 1 + lines + counts >= GRANTS, "{oldest} {lines} {counts}");
}

#[test]
fn an_action_that_is_repeated_does_not_fill_the_log() {
    let Written { grants, .. } = written(|log| {
        let at = Timestamp::from_second(1).unwrap();
        for pid in 0..1_000 {
            let program = Some(Program { pid, path: String::new(), name: String::new() });
            let note = ControlNote {
                via: AuditVia::Control,
                action: Some(if pid == 999 { AuditAction::Lock } else { AuditAction::Env }),
                ..control(NoteOutcome::Done, program)
            };
            log.note_control(at, &peer(1), note);
        }
    });
    assert!(grants.len() <= 32, "{} lines", grants.len());
    assert_eq!(grants.iter().map(|entry| entry.repeated).sum::<u64>(), 999 - 30);
    assert!(grants.iter().any(|entry| entry.action == Some(AuditAction::Lock) && entry.pid == Some(999)));
}

#[test]
fn an_answer_waits_only_for_a_search_that_begins_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::start(&paths(folder.path()), Box::new(|_, _| {})).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let wait_until_idle = || {
        while !log.grants.is_idle.load(Ordering::Relaxed) && Instant::now() < deadline {
            std::thread::yield_now();
        }
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // On a paused clock, a wait for a search that never ends takes exactly its time limit.
    let waited = |noted: Noted| {
        runtime.block_on(async {
            let begun = tokio::time::Instant::now();
            noted.wait().await;
            begun.elapsed()
        })
    };
    let access = |is_first| Access {
        is_first,
        ..access(ssod_peer::own_uid(), "adminUser", u32::MAX, Outcome::Served)
    };
    wait_until_idle();
    let noted = log.note(access(true));
    // The search ends when the thread has recorded the note.
    log.finish(Duration::from_secs(10));
    assert_eq!(waited(noted), Duration::ZERO);
    // While the thread is busy, and for later requests of a connection, nothing waits.
    wait_until_idle();
    log.grants.is_idle.store(false, Ordering::Relaxed);
    assert_eq!(waited(log.note(access(true))), Duration::ZERO);
    assert_eq!(waited(log.note(access(false))), Duration::ZERO);
    log.finish(Duration::from_secs(5));
}

#[test]
fn a_program_name_cannot_forge_a_line() {
    let forged = "x\n{\"at\":\"now\",\"outcome\":\"served\",\"profile\":\"adminUser\"}";
    let Written { grants, refusals } = written(|log| {
        log.note(access(BOB, "adminUser", 1, refused("Code", forged)));
        let program = Program { pid: 1, path: forged.to_owned(), name: forged.to_owned() };
        let at = Timestamp::from_second(1).unwrap();
        log.note_control(at, &peer(1), control(NoteOutcome::Served, Some(program)));
    });
    assert_eq!((grants.len(), refusals.len()), (1, 1));
    assert_eq!(refusals[0].reason.as_deref(), Some(forged));
    assert_eq!(grants[0].path.as_deref(), Some(forged));
}
