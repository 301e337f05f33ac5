//! The wall clock jumps under a real daemon, by libfaketime (T24). What suspends do besides is the simulation's to show.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

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

/// Somebody is signed in, and the daemon's wall clock is what the file says.
fn with_a_clock_of_its_own(settings: &str) -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    sandbox.settings(settings);
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
    (sandbox, jump)
}

#[test]
fn after_a_jump_nothing_is_served_that_is_over_and_everything_that_is_not() {
    let (mut sandbox, jump) = with_a_clock_of_its_own("");
    let first = sandbox.credentials("adminUser");
    assert_eq!(first.status, 200);
    // AWS says what time it is even where it says no; by its clock the credentials are good all the time.
    sandbox.fault("fail", "GetRoleCredentials");
    sandbox.fault("fail", "CreateToken");
    for offset in ["+50m", "+2h", "-1h", "+0", "+70m"] {
        fs::write(&jump, offset).unwrap();
        let answer = sandbox.credentials("adminUser");
        assert_eq!((answer.status, &answer.body), (200, &first.body), "{offset}");
    }
    let problems = sandbox.status()["daemon"]["problems"].to_string();
    assert!(problems.contains("1h 10m ahead of AWS's"), "{problems}");
    assert!(sandbox.ssod(&["doctor"]).stdout.contains("1h 10m ahead of AWS's"));
    fs::write(&jump, "+0").unwrap();
    sandbox.clear_faults();
    sandbox.ssod(&["list", "adminUser"]).succeeded();
    assert_eq!(sandbox.status()["daemon"]["problems"].as_array().unwrap().len(), 0);
    // Nobody says what time it is: a clock that was set forward may be right, so what is over by it is not served; one that was
    // set back is not believed.
    sandbox.stop_fake();
    for (offset, status) in [("+50m", 200), ("+2h", 503), ("-1h", 200), ("+0", 200), ("+70m", 503)] {
        fs::write(&jump, offset).unwrap();
        assert_eq!(sandbox.credentials("adminUser").status, status, "{offset}");
    }
}

#[test]
fn where_no_timer_tells_of_a_jump_the_supervisor_notices_it() {
    let (sandbox, jump) = with_a_clock_of_its_own("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.eventually("the credentials are there", || sandbox.count("GetRoleCredentials") == 1);
    let asked = sandbox.count("CreateToken");
    // The cache is written two seconds later; after that, nothing is due for half an hour.
    std::thread::sleep(Duration::from_secs(5));
    // libfaketime does not fake timerfd, so nothing but the supervisor can notice; it looks twice a minute.
    fs::write(&jump, "+2h").unwrap();
    sandbox.eventually_within(45, "everything is decided anew", || sandbox.count("CreateToken") > asked);
    let problems = sandbox.status()["daemon"]["problems"].to_string();
    assert!(problems.contains("2h 0m ahead of AWS's"), "{problems}");
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}
