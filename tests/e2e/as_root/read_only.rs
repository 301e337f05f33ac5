//! The AWS config file is in a folder that its user cannot change, as with a file that another program manages.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ssod_testkit::{Sandbox, TestUser};

use super::ALICE;

#[test]
fn a_folder_that_cannot_be_changed_is_reported_before_the_sign_in() {
    let sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    let folder = sandbox.home().join(".aws");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    let error = sandbox.ssod(&["configure", "--session", "sso-session-adminUser", "--profile", "new"]);
    let error = error.failed_with(1);
    assert!(error.contains("Cannot write") && error.contains("Permission denied"), "{error}");
    assert!(error.contains("if another program manages it"), "{error}");
    assert_eq!(sandbox.fake().log().len(), 0, "AWS was called before the check");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
}
