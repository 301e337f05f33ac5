use ssod_control::{ChainReport, ChainVerifier, FaultKind, LineText};

use super::*;

const MAX_SIZE: u64 = 8 * 1024;

struct TestLog {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl TestLog {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        Self { _folder: folder, path }
    }

    fn open(&self) -> LogFile {
        LogFile::open(&self.path, MAX_SIZE).unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    fn write(&self, text: &str) {
        #[expect(clippy::disallowed_methods, reason = "another program changes the file")]
        std::fs::write(&self.path, text).unwrap();
    }

    /// Checks both files against the recorded head, or the one in memory.
    fn verify(&self, head: Option<ChainHead>) -> ChainReport {
        let saved =
            || serde_json::from_slice(&std::fs::read(Paths::chain_head(&self.path)).unwrap()).unwrap();
        let mut verifier = ChainVerifier::new(Some(head.unwrap_or_else(saved)));
        for (file, path) in [Paths::before(&self.path), self.path.clone()].into_iter().enumerate() {
            let text = std::fs::read(path).unwrap_or_default();
            let lines = text.split_inclusive(|byte| *byte == b'\n');
            for (line, bytes) in (1..).zip(lines) {
                let text = bytes.strip_suffix(b"\n");
                let is_complete = text.is_some();
                verifier.check(LineText { file, line, text: text.unwrap_or(bytes), is_complete });
            }
        }
        verifier.finish()
    }

    fn faults(&self, head: Option<ChainHead>) -> Vec<FaultKind> {
        self.verify(head).faults.into_iter().map(|fault| fault.kind).collect()
    }
}

fn append(file: &mut LogFile, names: &[&str]) {
    let entry = |name: &&str| AuditEntry { at: (*name).to_owned(), ..AuditEntry::default() };
    let mut entries = names.iter().map(entry).collect();
    file.append(&mut entries).unwrap();
    assert!(entries.is_empty(), "{entries:?}");
}

#[test]
fn the_chain_continues_across_rotation_and_restarts_and_the_size_is_limited() {
    let log = TestLog::new();
    for round in 0..40 {
        let mut file = log.open();
        append(&mut file, &["one", "two", "three"]);
        if round % 2 == 0 {
            file.save_head();
        }
        assert_eq!(log.faults(Some(file.head())), [], "round {round}");
        assert_eq!(log.faults(None), [], "round {round}");
    }
    let sizes = [&log.path, &Paths::before(&log.path)].map(|path| std::fs::metadata(path).unwrap().len());
    assert!(sizes.iter().all(|size| *size <= MAX_SIZE), "{sizes:?}");
    let mut file = log.open();
    assert_eq!(file.head().seq, 120);
    // One batch may need several files.
    append(&mut file, &["many"; 100]);
    assert_eq!(log.faults(Some(file.head())), []);
}

#[test]
fn a_line_that_a_crash_cut_off_raises_no_alarm() {
    let log = TestLog::new();
    append(&mut log.open(), &["one", "two"]);
    let whole = log.text();
    // The daemon may be killed after any byte of a write.
    for cut in whole.find('\n').unwrap() + 1..whole.len() {
        let log = TestLog::new();
        append(&mut log.open(), &["one"]);
        log.write(&whole[..cut]);
        assert_eq!(log.faults(None), [], "before the next start, cut at {cut}");
        let mut file = log.open();
        append(&mut file, &["next"]);
        assert_eq!(log.faults(Some(file.head())), [], "cut at {cut}: {}", log.text());
        append(&mut log.open(), &["last"]);
        assert_eq!(log.faults(None), [], "cut at {cut}: {}", log.text());
    }
}

#[test]
fn what_another_program_did_while_the_daemon_was_stopped_stays_visible() {
    let change = |change: &dyn Fn(&TestLog)| {
        let log = TestLog::new();
        append(&mut log.open(), &["one", "two", "three"]);
        log.open().save_head();
        change(&log);
        let mut file = log.open();
        append(&mut file, &["four"]);
        log.faults(Some(file.head()))
    };
    assert_eq!(change(&|_| {}), []);
    let lines = |log: &TestLog| log.text().lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        change(&|log| log.write(&format!("{}\n", lines(log)[..2].join("\n")))),
        [FaultKind::MissingBefore(1)]
    );
    assert_eq!(change(&|log| log.write("")), [FaultKind::MissingBefore(3)]);
    assert_eq!(change(&|log| std::fs::remove_file(&log.path).unwrap()), [FaultKind::MissingBefore(3)]);
    assert_eq!(change(&|log| log.write(&log.text().replace("two", "2"))), [FaultKind::Changed]);
    // Another log that is consistent in itself.
    let other = TestLog::new();
    append(&mut other.open(), &["1", "2", "3"]);
    assert!(!change(&|log| log.write(&other.text())).is_empty());
}

#[test]
fn what_another_program_does_while_the_daemon_runs_stays_visible() {
    let log = TestLog::new();
    let mut file = log.open();
    append(&mut file, &["one", "two"]);
    std::fs::remove_file(&log.path).unwrap();
    append(&mut file, &["three"]);
    assert!(log.text().contains("three"), "a removed file is created again");
    assert_eq!(log.faults(Some(file.head())), [FaultKind::MissingBefore(2)]);
}

#[test]
fn a_log_of_an_earlier_version_is_continued() {
    let log = TestLog::new();
    log.write("{\"outcome\":\"served\"}\n{\"outc");
    let mut file = log.open();
    append(&mut file, &["one"]);
    let report = log.verify(Some(file.head()));
    assert_eq!((report.unchained, report.lines, report.faults), (2, 1, Vec::new()));
}
