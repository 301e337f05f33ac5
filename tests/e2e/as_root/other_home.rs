//! Root, or another user, runs ssod with alice's variables, as `sudo -E` and `su` do (T31).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ssod_testkit::{CommandOutput, Sandbox, TestUser, run};
use tempfile::TempDir;

use super::{ALICE, BOB};

/// Returns everything below the folder, and the folder, that does not belong to alice.
fn not_alices(folder: &Path) -> Vec<PathBuf> {
    let facts = folder.symlink_metadata().unwrap();
    let mut found = if facts.uid() == ALICE { vec![] } else { vec![folder.to_owned()] };
    if facts.is_dir() {
        found.extend(fs::read_dir(folder).unwrap().flat_map(|entry| not_alices(&entry.unwrap().path())));
    }
    found
}

/// Runs a program of the sandbox as another user, with alice's variables except these.
fn run_as(
    sandbox: &Sandbox,
    user: u32,
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &Path)],
) -> CommandOutput {
    let alices = sandbox.ssod_command();
    let program = Path::new(alices.get_program()).with_file_name(program);
    let mut command = Command::new(program);
    let inherited = alices.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.args(arguments).env_clear().envs(inherited).current_dir("/").uid(user).gid(user);
    command.envs(variables.iter().copied());
    run(&mut command)
}

/// A sandbox of alice whose programs every user can run, and a home folder of the other user.
fn sandbox_and_home_of(user: u32) -> (Sandbox, TempDir) {
    let sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    let home = tempfile::tempdir().unwrap();
    chown(home.path(), Some(user), Some(user)).unwrap();
    // Bob can then do in alice's folders whatever the modes allow.
    for path in ["", "run", ".config", ".config/ssod"] {
        fs::set_permissions(sandbox.home().join(path), fs::Permissions::from_mode(0o777)).unwrap();
    }
    (sandbox, home)
}

#[test]
fn another_user_with_alices_folders_is_refused_and_leaves_nothing_there() {
    for user in [0, BOB] {
        let (sandbox, home) = sandbox_and_home_of(user);
        let alices = |path: &str| sandbox.home().join(path);
        // Alice lets her state folder lead elsewhere.
        let victim = tempfile::tempdir().unwrap();
        chown(victim.path(), Some(user), Some(user)).unwrap();
        fs::create_dir_all(alices(".local/state")).unwrap();
        symlink(victim.path(), alices(".local/state/ssod")).unwrap();
        for path in [".local", ".local/state", ".local/state/ssod"] {
            lchown(alices(path), Some(ALICE), Some(ALICE)).unwrap();
        }
        let own = |path: &str| home.path().join(path);
        let others: [(&str, Vec<(&str, PathBuf)>); 4] = [
            ("HOME", vec![]),
            ("XDG_RUNTIME_DIR", vec![("HOME", own(""))]),
            (
                "XDG_STATE_HOME",
                vec![
                    ("HOME", own("")),
                    ("XDG_RUNTIME_DIR", own("")),
                    ("XDG_STATE_HOME", alices(".local/state-of-others")),
                ],
            ),
            (
                "XDG_CONFIG_HOME",
                vec![("HOME", own("")), ("XDG_RUNTIME_DIR", own("")), ("XDG_CONFIG_HOME", alices(".config"))],
            ),
        ];
        for (culprit, variables) in others {
            let variables: Vec<(&str, &Path)> =
                variables.iter().map(|(name, value)| (*name, value.as_path())).collect();
            let configure = [
                "configure",
                "--profile",
                "p",
                "--session",
                "s",
                "--start-url",
                "https://x.awsapps.com/start",
                "--region",
                "us-east-1",
                "--account",
                "123456789012",
                "--role",
                "R",
            ];
            for arguments in [
                &["status"][..],
                &["login", "adminUser"],
                &["audit"],
                &["service", "start"],
                &["service", "stop"],
                &configure,
            ] {
                let error = run_as(&sandbox, user, "ssod", arguments, &variables).failed_with(4);
                assert!(error.contains(&format!("{culprit} leads to ")), "{culprit} {arguments:?}: {error}");
                assert!(
                    error.contains(&format!("belongs to user {ALICE}")),
                    "{culprit} {arguments:?}: {error}"
                );
                assert!(error.contains(&format!("hint: Run ssod as user {ALICE}")), "{culprit}: {error}");
            }
            let error = run_as(&sandbox, user, "ssod-daemon", &[], &variables).failed_with(1);
            assert!(
                error.contains(&format!("{culprit} leads to ")) && error.contains("hint: Run ssod as"),
                "{error}"
            );
        }
        let left = not_alices(sandbox.home());
        assert!(left.is_empty(), "user {user} left {left:?}");
        assert_eq!(fs::read_dir(victim.path()).unwrap().count(), 0, "alice's link was followed");
        // What needs no folder works.
        run_as(&sandbox, user, "ssod", &["completions", "bash"], &[]).succeeded();

        // Alice's own ssod works afterwards.
        fs::remove_file(alices(".local/state/ssod")).unwrap();
        for path in ["", ".config", ".config/ssod"] {
            fs::set_permissions(alices(path), fs::Permissions::from_mode(0o700)).unwrap();
        }
        assert!(sandbox.ssod(&["status"]).succeeded().contains("adminUser"));
    }
}

#[test]
fn root_with_its_own_folders_and_a_user_whose_home_folder_is_the_systems_are_accepted() {
    // As in a container: HOME=/ belongs to root, and the folders of ssod are elsewhere.
    let sandbox = Sandbox::of_user(ALICE);
    let mut command = sandbox.ssod_command();
    command.arg("status").env("HOME", "/").env("AWS_CONFIG_FILE", sandbox.aws_config());
    for name in ["CONFIG", "STATE"] {
        command.env(format!("XDG_{name}_HOME"), sandbox.home().join(format!(".{}", name.to_lowercase())));
    }
    let output = run(&mut command);
    assert_eq!(output.status, 0, "{output:?}");
    // The daemon's state folder is not the one that the sandbox knows, so it is stopped here.
    let mut stop = sandbox.ssod_command();
    stop.args(["service", "stop"]).env("HOME", "/");
    for name in ["CONFIG", "STATE"] {
        stop.env(format!("XDG_{name}_HOME"), sandbox.home().join(format!(".{}", name.to_lowercase())));
    }
    run(&mut stop).succeeded();
    let own = Sandbox::configured(TestUser::ADMIN);
    assert!(own.ssod(&["status"]).succeeded().contains("adminUser"));
}
