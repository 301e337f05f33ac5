//! The wall clock jumps under a real daemon, by libfaketime (T24). What suspends do besides is the simulation's to show.

use std::fs;
use std::path::PathBuf;

use ssod_testkit::{Person, Sandbox};

fn library() -> PathBuf {
    let folders =
        ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|machine| PathBuf::from("/usr/lib").join(machine));
    let library = folders
        .into_iter()
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    library.expect("the Debian package faketime is installed by cargo xtask test")
}

#[test]
fn after_a_jump_nothing_is_served_that_is_over_and_everything_that_is_not() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    let jump = sandbox.home().join("jump");
    fs::write(&jump, "+0").unwrap();
    let (library, file) = (library(), jump.clone());
    sandbox.start_daemon_with(&[
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]);
    sandbox.login(Person::ADMIN).succeeded();
    let first = sandbox.credentials("adminUser");
    assert_eq!(first.status, 200);
    // Nobody answers, so nothing newer can be had: what is held is over by the clock, or it is not.
    sandbox.fault("fail", "GetRoleCredentials");
    sandbox.fault("fail", "CreateToken");
    for (offset, status) in [("+50m", 200), ("+2h", 503), ("-1h", 200), ("+0", 200), ("+70m", 503)] {
        fs::write(&jump, offset).unwrap();
        let answer = sandbox.credentials("adminUser");
        assert_eq!(answer.status, status, "{offset}: {}", answer.body);
        if status == 200 {
            assert_eq!(answer.body, first.body, "an expiration is never altered");
        }
    }
}
