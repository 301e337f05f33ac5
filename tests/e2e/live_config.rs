//! The AWS config file and `config.toml` change under a running daemon.

use std::fs;
use std::time::{Duration, Instant};

use ssod_testkit::{Person, Sandbox, free_port};

fn profiles(sandbox: &Sandbox) -> usize {
    sandbox.status()["profiles"].as_array().unwrap().len()
}

fn problems(sandbox: &Sandbox) -> String {
    sandbox.status()["daemon"]["problems"].to_string()
}

#[test]
fn changes_take_effect_within_a_second_and_a_broken_file_keeps_the_last_good_state() {
    let mut sandbox = Sandbox::new();
    sandbox.start_daemon();
    assert_eq!(profiles(&sandbox), 0, "there is no file yet, and no folder");
    sandbox.configure(Person::ADMIN);
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    assert_eq!(profiles(&sandbox), 1);

    // An editor writes a new file and renames it over the old one.
    let edited = sandbox.home().join(".aws/config~");
    fs::write(&edited, text.replace("[profile adminUser]", "[profile renamed]")).unwrap();
    fs::rename(&edited, sandbox.aws_config()).unwrap();
    let start = Instant::now();
    sandbox.eventually("the new profile is known", || {
        sandbox.profile_status("renamed") != serde_json::Value::Null
    });
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());

    fs::write(sandbox.aws_config(), format!("{text}\nnonsense\n")).unwrap();
    sandbox.eventually("the broken file is reported", || problems(&sandbox).contains("expected KEY = VALUE"));
    let line = text.lines().count() + 2;
    assert!(problems(&sandbox).contains(&format!("line {line}")), "{}", problems(&sandbox));
    assert_eq!(profiles(&sandbox), 1, "the last good state stays");

    fs::write(sandbox.aws_config(), &text).unwrap();
    sandbox.eventually("the mended file counts", || problems(&sandbox) == "[]");
    fs::remove_file(sandbox.aws_config()).unwrap();
    sandbox.eventually("no file means no profiles", || profiles(&sandbox) == 0);
}

#[test]
fn a_half_saved_file_costs_nobody_a_sign_in() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    fs::write(sandbox.aws_config(), "").unwrap();
    sandbox.eventually("the profile is gone", || profiles(&sandbox) == 0);
    assert_eq!(sandbox.credentials("adminUser").status, 404);
    fs::write(sandbox.aws_config(), text).unwrap();
    sandbox.eventually("it is back", || profiles(&sandbox) == 1);
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}

#[test]
fn settings_change_live_and_a_mistake_keeps_the_old_ones() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    let port = free_port();
    sandbox.settings(&format!("[imds]\nprofiles = {{ adminUser = {port} }}\n"));
    sandbox.eventually("the IMDS port is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    sandbox.settings("[imds]\nprofils = {}\n");
    sandbox.eventually("the mistake is named", || problems(&sandbox).contains("unknown field `profils`"));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "the old settings stay");
}

#[test]
fn use_for_a_time_goes_back_by_itself_and_survives_a_restart() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.configure(Person::READ_ONLY);
    sandbox.start_daemon();
    let warned = sandbox.ssod(&["use", "readOnlyUser"]);
    assert!(warned.stderr.contains("ssod login readOnlyUser"), "{}", warned.stderr);
    let said = sandbox.ssod(&["use", "adminUser", "--for", "3s"]).succeeded();
    assert!(said.contains("adminUser for 3s, then readOnlyUser"), "{said}");
    sandbox.daemon().kill();
    sandbox.start_daemon();
    assert_eq!(sandbox.status()["active"]["profile"], "adminUser");
    sandbox.eventually("it goes back", || sandbox.status()["active"]["profile"] == "readOnlyUser");
}
