//! The files with endpoint tokens: only those that a shell has asked for, and also after a restart.

use std::fs;
use std::path::PathBuf;

use ssod_testkit::{Sandbox, TestUser, wait_until};

#[test]
fn a_restart_writes_the_files_that_shells_have_asked_for_and_no_others() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.configure(TestUser::READ_ONLY);
    sandbox.start_daemon();
    wait_until("the vault is open", || sandbox.daemon().status().daemon.vault.is_open());
    let folder = sandbox.daemon().runtime_folder().join("tokens");
    let files = || -> Vec<PathBuf> {
        let entries = fs::read_dir(&folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    assert_eq!(files(), [] as [PathBuf; 0], "no shell has asked");
    let file: PathBuf =
        sandbox.daemon().variable("adminUser", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").into();
    let token = fs::read_to_string(&file).unwrap();
    assert_eq!(files(), std::slice::from_ref(&file));
    sandbox.daemon().terminate();
    // A reboot empties the runtime folder.
    fs::remove_file(&file).unwrap();
    sandbox.start_daemon();
    wait_until("the file is there again", || file.exists());
    assert_eq!(files(), std::slice::from_ref(&file));
    assert_eq!(fs::read_to_string(&file).unwrap(), token, "an open shell still has the right token");
}
