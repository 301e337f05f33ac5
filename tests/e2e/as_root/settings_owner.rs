//! Another user owns `config.toml`, or the link to it (T26).

use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};

use ssod_testkit::{Sandbox, TestUser, run, wait_until};

use super::{ALICE, BOB};

#[test]
fn bobs_settings_are_not_used_by_daemon_or_client() {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    let settings = sandbox.home().join(".config/ssod/config.toml");
    let executed = sandbox.home().join("executed");
    let refusal = format!("config.toml is not used, because {} belongs to user {BOB}", settings.display());

    // At the start.
    chown(&settings, Some(BOB), Some(BOB)).unwrap();
    run(sandbox.daemon_command().arg("--print-ports")).failed_with(1);
    let error = run(&mut sandbox.daemon_command()).failed_with(1);
    assert!(error.contains(&refusal), "{error}");
    assert!(error.contains(&format!("sudo chown -h \"$(id -un)\" {}", settings.display())), "{error}");
    chown(&settings, Some(ALICE), Some(ALICE)).unwrap();
    sandbox.start_daemon();
    assert_eq!(sandbox.daemon().problems(), [""; 0]);

    // While the daemon runs: bob's file replaces alice's.
    let text = fs::read_to_string(&settings).unwrap();
    chown(&settings, Some(BOB), Some(BOB)).unwrap();
    fs::write(&settings, format!("{text}[login]\nbrowser = \"touch {}\"\n", executed.display())).unwrap();
    let reported = || sandbox.daemon().problems().iter().any(|problem| problem.contains(&refusal));
    wait_until("the status shows the owner", reported);
    let mut login = sandbox.ssod_command();
    let error = run(login.args(["login", "adminUser"]).env("DISPLAY", ":99")).failed_with(1);
    assert!(error.contains(&refusal), "{error}");
    assert!(!executed.exists() && sandbox.fake().log().is_empty());

    // Bob's link to a file of alice's could choose among her files.
    let other = sandbox.home().join("other.toml");
    fs::rename(&settings, &other).unwrap();
    chown(&other, Some(ALICE), Some(ALICE)).unwrap();
    symlink(&other, &settings).unwrap();
    lchown(&settings, Some(BOB), Some(BOB)).unwrap();
    let error = run(login.args(["--json"])).failed_with(1);
    assert!(error.contains(&refusal), "{error}");
    // Alice's own link is fine, and the daemon notices that the problem is solved.
    lchown(&settings, Some(ALICE), Some(ALICE)).unwrap();
    wait_until("the problem is gone", || sandbox.daemon().problems().is_empty());
    assert!(!executed.exists());
}
