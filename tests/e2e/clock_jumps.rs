//! libfaketime makes the wall clock of a real daemon jump (T24). The simulation covers the other effects of a suspend.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssod_testkit::{FaultKind, Sandbox, TestUser, wait_until, wait_until_within};

fn libfaketime() -> PathBuf {
    let folders =
        ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|machine| PathBuf::from("/usr/lib").join(machine));
    let library = folders
        .into_iter()
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    library.expect("libfaketime is not installed: cargo xtask test installs the Debian package faketime")
}

/// Returns a sandbox with a signed-in user, and the file that shifts the daemon's wall clock.
pub(crate) fn with_shiftable_clock(settings: &str) -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    sandbox.add_settings(settings);
    sandbox.configure(TestUser::ADMIN);
    let offset = sandbox.home().join("clock-offset");
    fs::write(&offset, "+0").unwrap();
    start_with_clock(&mut sandbox, &offset);
    sandbox.login(TestUser::ADMIN).succeeded();
    (sandbox, offset)
}

/// Starts the daemon with a wall clock that this file shifts.
pub(crate) fn start_with_clock(sandbox: &mut Sandbox, offset: &Path) {
    sandbox.start_daemon_with(&[
        ("LD_PRELOAD", libfaketime().to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]);
}

#[test]
fn after_a_clock_jump_valid_credentials_are_served_and_expired_ones_are_not() {
    let (sandbox, clock) = with_shiftable_clock("");
    let first = sandbox.daemon().credentials("adminUser");
    assert_eq!(first.status, 200);
    // Error answers also carry AWS's time. By AWS's clock, the credentials are valid all the time.
    sandbox.fake().add_fault(FaultKind::Fail, "GetRoleCredentials");
    sandbox.fake().add_fault(FaultKind::Fail, "CreateToken");
    for offset in ["+50m", "+2h", "-1h", "+0", "+70m"] {
        fs::write(&clock, offset).unwrap();
        let answer = sandbox.daemon().credentials("adminUser");
        assert_eq!((answer.status, &answer.body), (200, &first.body), "{offset}");
    }
    let problems = sandbox.daemon().problems().join("\n");
    assert!(problems.contains("1h 10m ahead of AWS's"), "{problems}");
    assert!(sandbox.ssod(&["doctor"]).stdout.contains("1h 10m ahead of AWS's"));
    fs::write(&clock, "+0").unwrap();
    sandbox.fake().clear_faults();
    sandbox.ssod(&["list", "adminUser"]).succeeded();
    assert_eq!(sandbox.daemon().problems().len(), 0);
    // Without AWS's time, a clock that was set forward may be right, so credentials that have expired by it are not
    // served. A clock that was set back is not trusted.
    sandbox.fake().stop();
    for (offset, status) in [("+50m", 200), ("+2h", 503), ("-1h", 200), ("+0", 200), ("+70m", 503)] {
        fs::write(&clock, offset).unwrap();
        assert_eq!(sandbox.daemon().credentials("adminUser").status, status, "{offset}");
    }
}

#[test]
fn the_supervisor_notices_a_clock_jump_that_no_timer_reports() {
    let (sandbox, clock) = with_shiftable_clock("[refresh]\nkeep_fresh = \"all\"\n");
    wait_until("the credentials are fetched", || sandbox.fake().successful_calls("GetRoleCredentials") == 1);
    let renewals = sandbox.fake().successful_calls("CreateToken");
    // When the credentials are saved, nothing is due for half an hour.
    sandbox.daemon().wait_until_credentials_are_saved();
    // libfaketime does not fake timerfd, so only the supervisor can notice the jump. It compares the clocks twice a
    // minute.
    fs::write(&clock, "+2h").unwrap();
    wait_until_within(Duration::from_mins(2), "the sign-in is renewed", || {
        sandbox.fake().successful_calls("CreateToken") > renewals
    });
    let problems = sandbox.daemon().problems().join("\n");
    assert!(problems.contains("2h 0m ahead of AWS's"), "{problems}");
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}
