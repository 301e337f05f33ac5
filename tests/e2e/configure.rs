//! `ssod configure`: what it writes, what it leaves alone, and that AWS's own tools read it.

use std::fs;

use ssod_testkit::{ACCOUNT, Person, Sandbox, interop, run};

const MINE: &str =
    "# my own file\n[default]\nregion = eu-west-1\n\n[profile other]\noutput   =  json\n; the end";

fn flags<'a>(start_url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut flags = vec![
        "configure",
        "--profile",
        "adminUser",
        "--session",
        "work",
        "--start-url",
        start_url,
        "--region",
        "us-east-1",
        "--account",
        ACCOUNT,
        "--role",
        "AdminRole",
    ];
    flags.extend(more);
    flags
}

fn write(sandbox: &Sandbox, text: &str) {
    fs::create_dir_all(sandbox.home().join(".aws")).unwrap();
    fs::write(sandbox.aws_config(), text).unwrap();
}

#[test]
fn every_other_byte_stays_and_a_second_time_changes_nothing() {
    let sandbox = Sandbox::new();
    write(&sandbox, MINE);
    let start_url = sandbox.start_url();
    sandbox.ssod(&flags(&start_url, &[])).succeeded();
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    assert!(text.starts_with(MINE), "{text}");
    assert!(
        text.contains(
            "ssod credential-process adminUser\nssod_session = work\nssod_account_id = 123456789012\n"
        ),
        "{text}"
    );
    sandbox.ssod(&flags(&start_url, &[])).succeeded();
    assert_eq!(fs::read_to_string(sandbox.aws_config()).unwrap(), text);
}

#[test]
fn a_dry_run_shows_and_writes_nothing() {
    let sandbox = Sandbox::new();
    write(&sandbox, MINE);
    let shown = sandbox.ssod(&flags(&sandbox.start_url(), &["--dry-run"])).succeeded();
    assert!(
        shown.contains("+[profile adminUser]\n+credential_process") && shown.matches("\n-").count() <= 1,
        "{shown}"
    );
    assert_eq!(fs::read_to_string(sandbox.aws_config()).unwrap(), MINE);
}

#[test]
fn a_dotfile_managers_link_stays_a_link() {
    let sandbox = Sandbox::new();
    let target = sandbox.home().join("dotfiles-aws");
    fs::write(&target, MINE).unwrap();
    fs::create_dir(sandbox.home().join(".aws")).unwrap();
    std::os::unix::fs::symlink(&target, sandbox.aws_config()).unwrap();
    sandbox.ssod(&flags(&sandbox.start_url(), &[])).succeeded();
    assert!(fs::symlink_metadata(sandbox.aws_config()).unwrap().is_symlink());
    assert!(fs::read_to_string(target).unwrap().contains("[profile adminUser]"));
}

#[test]
fn aws_tools_read_both_forms_and_converting_turns_one_into_the_other() {
    let sandbox = Sandbox::new();
    let start_url = sandbox.start_url();
    sandbox.ssod(&flags(&start_url, &["--sso-keys"])).succeeded();
    let asked = |key: &str, cli: &str| {
        run(sandbox.command(cli).args(["configure", "get", key, "--profile", "adminUser"]))
            .stdout
            .trim()
            .to_owned()
    };
    let v1 = interop().join("bin/aws");
    for cli in ["/usr/bin/aws", v1.to_str().unwrap()] {
        assert_eq!(asked("sso_account_id", cli), ACCOUNT, "{cli}");
    }
    assert!(sandbox.ssod(&["status"]).succeeded().contains("bypasses ssod"));
    sandbox.ssod(&["configure", "--convert", "adminUser"]).succeeded();
    for cli in ["/usr/bin/aws", v1.to_str().unwrap()] {
        assert_eq!(asked("sso_account_id", cli), "", "{cli}");
        assert!(asked("credential_process", cli).ends_with("ssod credential-process adminUser"), "{cli}");
    }
    assert!(!sandbox.ssod(&["status"]).succeeded().contains("bypasses ssod"));
}

#[test]
fn a_legacy_profile_gets_a_session_of_its_own() {
    let sandbox = Sandbox::new();
    let start_url = sandbox.start_url();
    write(
        &sandbox,
        &format!(
            "[profile old]\nsso_start_url = {start_url}\nsso_region = us-east-1\nsso_account_id = {ACCOUNT}\nsso_role_name = AdminRole\noutput = json\n"
        ),
    );
    sandbox.ssod(&["configure", "--convert", "--all"]).succeeded();
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    assert!(
        text.contains("[sso-session sso-session-old]")
            && text.contains("output = json")
            && !text.contains("\nsso_account_id"),
        "{text}"
    );
    let person = Person { profile: "old", session: "sso-session-old", ..Person::ADMIN };
    sandbox.login(person).succeeded();
    assert_eq!(sandbox.profile_status("old")["account_id"], ACCOUNT);
}

#[test]
fn without_flags_and_terminal_the_missing_flag_is_named() {
    let sandbox = Sandbox::new();
    let refused = sandbox.ssod(&["configure"]).failed_with(2);
    assert!(refused.contains("--session --start-url --region --profile"), "{refused}");
    let refused = sandbox.ssod(&[
        "configure",
        "--profile",
        "p",
        "--session",
        "x",
        "--start-url",
        "http://evil.test/",
        "--region",
        "us-east-1",
    ]);
    assert!(refused.failed_with(2).contains("is not a start URL"));
}

#[test]
fn what_exists_is_replaced_only_when_that_is_asked_for() {
    let sandbox = Sandbox::new();
    let start_url = sandbox.start_url();
    sandbox.ssod(&flags(&start_url, &[])).succeeded();
    let before = fs::read_to_string(sandbox.aws_config()).unwrap();
    let other_role = flags(&start_url, &[])
        .iter()
        .map(|flag| flag.replace("AdminRole", "ReadOnlyRole"))
        .collect::<Vec<_>>();
    let mut other_role: Vec<&str> = other_role.iter().map(String::as_str).collect();
    let refused = sandbox.ssod(&other_role).failed_with(2);
    assert!(
        refused.contains("adminUser is AdminRole in 123456789012") && refused.contains("--replace"),
        "{refused}"
    );
    let elsewhere = sandbox.ssod(&flags("https://d-9999999999.awsapps.com/start", &[])).failed_with(2);
    assert!(elsewhere.contains("now, for adminUser") && elsewhere.contains("--replace"), "{elsewhere}");
    assert_eq!(fs::read_to_string(sandbox.aws_config()).unwrap(), before);
    other_role.push("--replace");
    sandbox.ssod(&other_role).succeeded();
    assert_eq!(sandbox.profile_status("adminUser")["role_name"], "ReadOnlyRole");
}
