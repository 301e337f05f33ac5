//! A file system that does not answer, such as a network home whose server is down, does not stop the daemon (T30).

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ssod_testkit::{Sandbox, TestUser, run, wait_until, wait_until_within};

/// Mounts a FUSE file system whose server never answers: each access to it waits.
const MOUNT: &str = r#"
import ctypes, os, sys, time
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"stalled", sys.argv[1].encode(), b"fuse.stalled", 0, options) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
"#;

/// A folder on a file system that does not answer. When it is dropped, the accesses to it end with an error.
struct StalledFolder {
    path: PathBuf,
    server: Child,
}

impl StalledFolder {
    fn mount_at(path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        let mut server = Command::new("/usr/bin/python3")
            .args(["-c", MOUNT])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n");
        Self { path, server }
    }
}

impl Drop for StalledFolder {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        // Without a server, the kernel ends the accesses.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn assert_answers(sandbox: &Sandbox, situation: &str) {
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(sandbox.daemon().credentials("adminUser").status, 200, "{situation}");
        sandbox.daemon().status();
        assert!(begun.elapsed() < Duration::from_secs(1), "{situation}: {:?}", begun.elapsed());
    }
}

/// Replaces a file by a link to one on a file system that does not answer, as a dotfile manager may make it. Returns the
/// file that was there.
fn link_to_stalled(file: &Path, stalled: &StalledFolder) -> PathBuf {
    let (away, link) = (file.with_extension("away"), file.with_extension("link"));
    fs::rename(file, &away).unwrap();
    symlink(stalled.path.join("file"), &link).unwrap();
    fs::rename(&link, file).unwrap();
    away
}

fn wait_until_reported(sandbox: &Sandbox) {
    wait_until_within(Duration::from_secs(30), "the stalled file is reported", || {
        sandbox.daemon().problems().concat().contains("its file system did not answer within 5 seconds")
    });
}

#[test]
fn a_configuration_on_a_file_system_that_does_not_answer_does_not_stop_the_daemon() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.daemon().wait_until_credentials_are_saved();
    let stalled = StalledFolder::mount_at(sandbox.home().join("stalled"));
    let away = link_to_stalled(&sandbox.aws_config(), &stalled);
    wait_until_reported(&sandbox);
    assert_answers(&sandbox, "the AWS config file is stalled");
    let threads = || fs::read_dir(format!("/proc/{}/task", sandbox.daemon().pid())).unwrap().count();
    let before = threads();
    for _ in 0..30 {
        sandbox.daemon().reload();
    }
    assert!(threads() <= before + 1, "{} threads instead of {before}", threads());
    assert_answers(&sandbox, "after many reloads");
    drop(stalled);
    fs::rename(away, sandbox.aws_config()).unwrap();
    wait_until_within(Duration::from_secs(30), "the file is used again", || {
        sandbox.daemon().problems().is_empty()
    });
}

#[test]
fn a_stop_does_not_wait_for_a_file_system_that_does_not_answer() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let settings = sandbox.home().join(".config/ssod/config.toml");
    let stalled = StalledFolder::mount_at(sandbox.home().join("stalled"));
    let away = link_to_stalled(&settings, &stalled);
    wait_until_reported(&sandbox);
    let begun = Instant::now();
    assert_eq!(sandbox.daemon().terminate(), 0);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // A start says what is wrong, and does not wait for ever.
    let begun = Instant::now();
    let refused = run(&mut sandbox.daemon_command());
    assert!(refused.status == 1 && refused.stderr.contains("did not answer within 5 seconds"), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    drop(stalled);
    fs::rename(away, settings).unwrap();
    sandbox.start_daemon();
    wait_until("the daemon works", || sandbox.daemon().credentials("adminUser").status == 200);
}
