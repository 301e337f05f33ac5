use proptest::prelude::*;

use super::*;

/// Returns a log of that many entries, and its head.
fn log(entries: u64) -> (Vec<String>, ChainHead) {
    let mut head = ChainHead::genesis();
    let mut lines = Vec::new();
    for seq in 1..=entries {
        let entry = AuditEntry { at: format!("t{seq}"), seq, ..AuditEntry::default() };
        let (line, chain) = chain_line(&entry, &head.chain).unwrap();
        lines.push(line);
        head = ChainHead { seq, chain, ..head };
    }
    (lines, head)
}

fn verify(lines: &[impl AsRef<str>], head: Option<ChainHead>) -> ChainReport {
    let mut verifier = ChainVerifier::new(head);
    for (line, text) in (1..).zip(lines) {
        verifier.check(LineText { file: 0, line, text: text.as_ref().as_bytes(), is_complete: true });
    }
    verifier.finish()
}

fn faults(lines: &[impl AsRef<str>], head: &ChainHead) -> Vec<(u64, FaultKind)> {
    let report = verify(lines, Some(head.clone()));
    report.faults.into_iter().map(|fault| (fault.line, fault.kind)).collect()
}

#[test]
fn an_intact_log_has_no_fault() {
    let (lines, head) = log(20);
    for head in [None, Some(head)] {
        let report = verify(&lines, head);
        assert_eq!(report, ChainReport { lines: 20, ..ChainReport::default() });
    }
}

#[test]
fn a_changed_removed_or_inserted_line_is_named() {
    let (lines, head) = log(9);
    let mut changed = lines.clone();
    changed[4] = changed[4].replace("t5", "t6");
    assert_eq!(faults(&changed, &head), [(5, FaultKind::Changed)]);
    let mut removed = lines.clone();
    removed.drain(3..6);
    assert_eq!(faults(&removed, &head), [(4, FaultKind::MissingBefore(3))]);
    let mut copied = lines.clone();
    copied.insert(6, lines[2].clone());
    assert_eq!(faults(&copied, &head), [(7, FaultKind::Inserted)]);
    let mut foreign = lines.clone();
    foreign.insert(6, "{\"outcome\":\"served\"}".to_owned());
    assert_eq!(faults(&foreign, &head), [(7, FaultKind::NotAnEntry)]);
    assert_eq!(faults(&lines[..7], &head), [(7, FaultKind::MissingAfter(2))]);
    assert_eq!(faults(&lines[2..], &head), [(1, FaultKind::MissingBefore(2))]);
    assert_eq!(faults(&[] as &[&str], &head), [(0, FaultKind::MissingAfter(9))]);
}

/// A program that writes the whole log again makes a consistent one. Only the head that the daemon keeps shows that.
#[test]
fn a_log_that_was_written_again_is_found_by_its_head() {
    let (_, head) = log(9);
    let mut other = AuditEntry { at: "other".to_owned(), seq: 1, ..AuditEntry::default() };
    let (first, mut chain) = chain_line(&other, &ChainHead::genesis().chain).unwrap();
    let mut lines = vec![first];
    for seq in 2..=9 {
        other.seq = seq;
        let next = chain_line(&other, &chain).unwrap();
        lines.push(next.0);
        chain = next.1;
    }
    assert!(verify(&lines, None).faults.is_empty());
    assert_eq!(faults(&lines, &head), [(9, FaultKind::Rewritten)]);
}

#[test]
fn a_rotated_log_begins_with_the_chain_of_the_line_before() {
    let (lines, _) = log(5);
    let previous = ChainedLine::parse(lines[2].as_bytes()).unwrap().chain;
    let entry = AuditEntry { seq: 4, prev: Some(previous.clone()), ..AuditEntry::default() };
    let (fourth, chain) = chain_line(&entry, &previous).unwrap();
    let head = ChainHead { first: 4, seq: 4, chain };
    assert_eq!(faults(&[fourth.as_str()], &head), []);
    assert_eq!(faults(&[&lines[1], &lines[2], &fourth], &ChainHead { first: 2, ..head.clone() }).len(), 1);
    assert_eq!(faults(&[&lines[0], &lines[1], &lines[2], &fourth], &ChainHead { first: 1, ..head }), []);
}

#[test]
fn a_line_that_a_crash_cut_off_is_no_fault_if_the_next_line_names_it() {
    let (mut lines, head) = log(2);
    let cut = "{\"at\":\"t3\",\"outc";
    let mut verifier = ChainVerifier::new(Some(head.clone()));
    for (line, text) in (1..).zip(lines.iter().map(String::as_str).chain([cut])) {
        verifier.check(LineText { file: 0, line, text: text.as_bytes(), is_complete: text != cut });
    }
    let report = verifier.finish();
    assert_eq!((report.torn, report.faults), (1, Vec::new()), "the daemon has not written since");
    let torn = Some(hash_of_lost_line(cut.as_bytes()));
    let next = AuditEntry { seq: 3, torn, ..AuditEntry::default() };
    let (next, chain) = chain_line(&next, &head.chain).unwrap();
    lines.extend([cut.to_owned(), next]);
    let head = ChainHead { seq: 3, chain, ..head };
    assert_eq!(faults(&lines, &head), []);
    lines[2].push('x');
    assert_eq!(faults(&lines, &head), [(3, FaultKind::NotAnEntry)]);
    lines.remove(2);
    assert_eq!(faults(&lines, &head), [(3, FaultKind::MissingBefore(1))]);
}

#[test]
fn a_whole_line_is_never_taken_for_one_that_was_cut_off() {
    let (mut lines, head) = log(2);
    let forged = "{\"outcome\":\"served\"}";
    let torn = Some(hash_of_lost_line(forged.as_bytes()));
    let next = AuditEntry { seq: 3, torn, ..AuditEntry::default() };
    let (next, chain) = chain_line(&next, &head.chain).unwrap();
    lines.extend([forged.to_owned(), next]);
    assert_eq!(faults(&lines, &ChainHead { seq: 3, chain, ..head }), [(3, FaultKind::NotAnEntry)]);
}

#[test]
fn lines_of_an_earlier_version_are_counted() {
    let (lines, head) = log(2);
    let old = "{\"outcome\":\"served\"}".to_owned();
    let all = [old.clone(), old, lines[0].clone(), lines[1].clone()];
    let report = verify(&all, Some(head));
    assert_eq!((report.unchained, report.lines, report.faults), (2, 2, Vec::new()));
}

proptest! {
    #[test]
    fn any_change_of_any_byte_is_found(entries in 1_u64..6, line in 0_usize..6, at in 0_usize..400, byte in 1_u8..) {
        let (mut lines, head) = log(entries);
        let line = line % lines.len();
        let mut bytes = lines[line].clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = bytes[at].wrapping_add(byte);
        lines[line] = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(!faults(&lines, &head).is_empty());
    }
}
