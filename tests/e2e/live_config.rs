//! The AWS config file and `config.toml` change while the daemon runs.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ssod_testkit::{Sandbox, TestUser, fastest_of, free_port, wait_until};

fn profile_count(sandbox: &Sandbox) -> usize {
    sandbox.daemon().status().profiles.len()
}

fn problems(sandbox: &Sandbox) -> String {
    sandbox.daemon().problems().join("\n")
}

#[test]
fn changes_apply_within_a_second_and_a_broken_file_keeps_the_last_valid_state() {
    let mut sandbox = Sandbox::new();
    sandbox.start_daemon();
    assert_eq!(profile_count(&sandbox), 0, "neither the file nor its folder exists yet");
    sandbox.configure(TestUser::ADMIN);
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    assert_eq!(profile_count(&sandbox), 1);

    // An editor writes a new file and renames it over the old one.
    let edited = sandbox.home().join(".aws/config~");
    let mut number = 0;
    let took = fastest_of(3, || {
        number += 1;
        let name = format!("renamed-{number}");
        fs::write(&edited, config.replace("[profile adminUser]", &format!("[profile {name}]"))).unwrap();
        let start = Instant::now();
        fs::rename(&edited, sandbox.aws_config()).unwrap();
        wait_until("the new profile is known", || sandbox.daemon().profile(&name).is_some());
        start.elapsed()
    });
    assert!(took < Duration::from_secs(1), "{took:?}");

    fs::write(sandbox.aws_config(), format!("{config}\nnonsense\n")).unwrap();
    wait_until("the broken file is reported", || problems(&sandbox).contains("expected KEY = VALUE"));
    let line = config.lines().count() + 2;
    assert!(problems(&sandbox).contains(&format!("line {line}")), "{}", problems(&sandbox));
    assert_eq!(profile_count(&sandbox), 1, "the last valid state is lost");

    fs::write(sandbox.aws_config(), &config).unwrap();
    wait_until("the fixed file is used", || sandbox.daemon().problems().is_empty());
    fs::remove_file(sandbox.aws_config()).unwrap();
    wait_until("without the file there are no profiles", || profile_count(&sandbox) == 0);
}

#[test]
fn a_partly_saved_config_file_loses_no_sign_in() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    fs::write(sandbox.aws_config(), "").unwrap();
    wait_until("the profile is gone", || profile_count(&sandbox) == 0);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 404);
    fs::write(sandbox.aws_config(), config).unwrap();
    wait_until("the profile is back", || profile_count(&sandbox) == 1);
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn changed_settings_apply_at_once_and_invalid_ones_keep_the_old() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let port = free_port();
    let is_open = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    sandbox.add_settings(&format!("[imds]\nprofiles = {{ adminUser = {port} }}\n"));
    wait_until("the IMDS port is open", is_open);
    sandbox.add_settings("[imds]\nprofils = {}\n");
    wait_until("the unknown setting is reported", || {
        problems(&sandbox).contains("\"profils\" is not one of the settings of [imds]")
    });
    assert!(is_open(), "the old settings are no longer used");
}

#[test]
fn use_for_a_limited_time_switches_back_and_survives_a_restart() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.configure(TestUser::READ_ONLY);
    sandbox.start_daemon();
    let active = |sandbox: &Sandbox| sandbox.daemon().status().active.profile;
    let warning = sandbox.ssod(&["use", "readOnlyUser"]).stderr;
    assert!(warning.contains("ssod login readOnlyUser"), "{warning}");
    let output = sandbox.ssod(&["use", "adminUser", "--for", "8s"]).succeeded();
    assert!(output.contains("adminUser for 8s, then readOnlyUser"), "{output}");
    sandbox.daemon().kill();
    sandbox.start_daemon();
    assert_eq!(active(&sandbox).as_deref(), Some("adminUser"));
    wait_until("the profile is switched back", || active(&sandbox).as_deref() == Some("readOnlyUser"));
}
