//! A FIFO, a device, or a huge file in place of a file that ssod reads is reported, and does not stop the daemon from
//! answering (T30).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ssod_testkit::{Sandbox, TestUser, run, wait_until};

/// What is put in place of a file, and a part of the error.
const OBSTACLES: [(&str, &str); 4] = [
    ("fifo", "it is not a regular file"),
    ("sparse", "it is larger than"),
    ("zero", "it is not a regular file"),
    ("folder", "it is not a regular file"),
];

/// Returns the error for the obstacle in place of the settings, which no other user may be able to change.
fn error_of_settings(obstacle: &str, error: &'static str) -> &'static str {
    if obstacle == "zero" { "other users can change /dev/zero" } else { error }
}

fn put(obstacle: &str, path: &Path) {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).unwrap();
    }
    match obstacle {
        "fifo" => drop(run(Command::new("mkfifo").arg(path)).succeeded()),
        "sparse" => fs::File::create(path).unwrap().set_len(1_200_000_000).unwrap(),
        "zero" => symlink("/dev/zero", path).unwrap(),
        _ => fs::create_dir(path).unwrap(),
    }
}

fn remove(path: &Path) {
    if fs::remove_file(path).is_err() {
        fs::remove_dir(path).unwrap();
    }
}

/// Asserts that the daemon answers on both of its interfaces at once.
fn assert_answers(sandbox: &Sandbox, situation: &str) {
    let begun = Instant::now();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200, "{situation}");
    sandbox.daemon().status();
    assert!(begun.elapsed() < Duration::from_secs(2), "{situation}: {:?}", begun.elapsed());
}

#[test]
fn no_file_in_place_of_the_configuration_stops_the_daemon() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.daemon().wait_until_credentials_are_saved();
    let settings = sandbox.home().join(".config/ssod/config.toml");
    for file in [sandbox.aws_config(), settings.clone()] {
        let content = fs::read(&file).unwrap();
        for (obstacle, error) in OBSTACLES {
            let situation = format!("{obstacle} in place of {}", file.display());
            let error = if file == settings { error_of_settings(obstacle, error) } else { error };
            remove(&file);
            put(obstacle, &file);
            wait_until(&situation, || sandbox.daemon().problems().concat().contains(error));
            assert_answers(&sandbox, &situation);
            sandbox.ssod(&["doctor"]);
            remove(&file);
            fs::write(&file, &content).unwrap();
            wait_until("the file is used again", || sandbox.daemon().problems().is_empty());
        }
    }
    assert_eq!(sandbox.daemon().terminate(), 0);
}

#[test]
fn the_daemon_starts_or_reports_the_file_at_once() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let token_file = sandbox.daemon().token_file("adminUser");
    let settings = fs::read_to_string(sandbox.home().join(".config/ssod/config.toml")).unwrap();
    let bundle = sandbox.home().join("bundle.pem");
    let start = |sandbox: &Sandbox| run(sandbox.daemon_command().env("SSOD_LOG", "off"));
    for (obstacle, error) in OBSTACLES {
        sandbox.daemon().terminate();
        // The settings and the certificates are needed: the daemon ends with an error.
        put(obstacle, &bundle);
        sandbox.write_settings(&format!("{settings}\n[network]\nca_bundle = \"~/bundle.pem\"\n"));
        let begun = Instant::now();
        let refused = start(&sandbox);
        assert!(refused.status == 1 && refused.stderr.contains(error), "{obstacle}: {refused:?}");
        let file = sandbox.home().join(".config/ssod/config.toml");
        remove(&file);
        put(obstacle, &file);
        let refused = start(&sandbox);
        let error_of_settings = error_of_settings(obstacle, error);
        assert!(refused.status == 1 && refused.stderr.contains(error_of_settings), "{obstacle}: {refused:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{obstacle}: {:?}", begun.elapsed());
        remove(&file);
        remove(&bundle);
        sandbox.write_settings(&settings);
        // The AWS config file and a token file are not: the daemon starts without them.
        let config = fs::read(sandbox.aws_config()).unwrap();
        remove(&sandbox.aws_config());
        put(obstacle, &sandbox.aws_config());
        remove(&token_file);
        put(obstacle, &token_file);
        sandbox.start_daemon();
        wait_until(obstacle, || sandbox.daemon().problems().concat().contains(error));
        remove(&sandbox.aws_config());
        fs::write(sandbox.aws_config(), config).unwrap();
        wait_until("the profile is there", || sandbox.daemon().problems().is_empty());
        if obstacle == "folder" {
            // No file can replace a folder, and `env` says so.
            assert!(sandbox.ssod(&["env", "adminUser"]).status != 0);
            remove(&token_file);
        } else {
            let facts = || fs::symlink_metadata(&token_file).unwrap();
            wait_until("the token file is replaced", || facts().is_file() && facts().len() < 256);
        }
        assert_answers(&sandbox, obstacle);
        let token = fs::read_to_string(sandbox.daemon().token_file("adminUser")).unwrap();
        assert_eq!(token, sandbox.daemon().token("adminUser"), "{obstacle}");
    }
}

#[test]
fn no_file_in_place_of_the_aws_clis_token_stops_the_daemon() {
    let mut sandbox = Sandbox::new();
    sandbox.add_settings("[aws_cli]\nshare_access_token = true\n");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    // SHA-1 of "sso-session-adminUser".
    let file: PathBuf = sandbox.home().join(".aws/sso/cache/598ed35e94aec485b620907ac0a002f002065a7b.json");
    wait_until("the token is shared", || file.exists());
    for (obstacle, _) in OBSTACLES {
        remove(&file);
        put(obstacle, &file);
        std::thread::sleep(Duration::from_millis(300));
        assert_answers(&sandbox, obstacle);
    }
    assert_eq!(sandbox.daemon().terminate(), 0);
}
