//! `ssod configure`: what it writes, what it preserves, and whether AWS's own tools can read the result.

use std::fs;

use ssod_testkit::{ACCOUNT, Sandbox, TestUser, python_environment, run};

const EXISTING: &str =
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

#[test]
fn other_bytes_are_preserved_and_a_second_run_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write_aws_config(EXISTING);
    let start_url = sandbox.fake().start_url();
    sandbox.ssod(&flags(&start_url, &[])).succeeded();
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    assert!(text.starts_with(EXISTING), "{text}");
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
fn a_dry_run_shows_the_change_and_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write_aws_config(EXISTING);
    let output = sandbox.ssod(&flags(&sandbox.fake().start_url(), &["--dry-run"])).succeeded();
    assert!(
        output.contains("+[profile adminUser]\n+credential_process") && output.matches("\n-").count() <= 1,
        "{output}"
    );
    assert_eq!(fs::read_to_string(sandbox.aws_config()).unwrap(), EXISTING);
}

#[test]
fn a_symlink_of_a_dotfile_manager_is_preserved() {
    let sandbox = Sandbox::new();
    let target = sandbox.home().join("dotfiles-aws");
    fs::write(&target, EXISTING).unwrap();
    fs::create_dir(sandbox.home().join(".aws")).unwrap();
    std::os::unix::fs::symlink(&target, sandbox.aws_config()).unwrap();
    sandbox.ssod(&flags(&sandbox.fake().start_url(), &[])).succeeded();
    assert!(fs::symlink_metadata(sandbox.aws_config()).unwrap().is_symlink());
    assert!(fs::read_to_string(target).unwrap().contains("[profile adminUser]"));
}

#[test]
fn aws_tools_read_both_profile_forms_and_convert_changes_one_into_the_other() {
    let sandbox = Sandbox::new();
    let start_url = sandbox.fake().start_url();
    sandbox.ssod(&flags(&start_url, &["--sso-keys"])).succeeded();
    let aws_value = |key: &str, cli: &str| {
        run(sandbox.command(cli).args(["configure", "get", key, "--profile", "adminUser"]))
            .stdout
            .trim()
            .to_owned()
    };
    let v1 = python_environment().join("bin/aws");
    for cli in ["/usr/bin/aws", v1.to_str().unwrap()] {
        assert_eq!(aws_value("sso_account_id", cli), ACCOUNT, "{cli}");
    }
    assert!(sandbox.ssod(&["status"]).succeeded().contains("bypasses ssod"));
    sandbox.ssod(&["configure", "--convert", "adminUser"]).succeeded();
    for cli in ["/usr/bin/aws", v1.to_str().unwrap()] {
        assert_eq!(aws_value("sso_account_id", cli), "", "{cli}");
        assert!(aws_value("credential_process", cli).ends_with("ssod credential-process adminUser"), "{cli}");
    }
    assert!(!sandbox.ssod(&["status"]).succeeded().contains("bypasses ssod"));
}

#[test]
fn a_legacy_profile_is_converted_to_a_profile_with_a_session() {
    let sandbox = Sandbox::new();
    let start_url = sandbox.fake().start_url();
    sandbox.write_aws_config(
        &format!(
            "[profile old]\nsso_start_url = {start_url}\nsso_region = us-east-1\nsso_account_id = {ACCOUNT}\nsso_role_name = AdminRole\noutput = json\n"
        ));
    sandbox.ssod(&["configure", "--convert", "--all"]).succeeded();
    let text = fs::read_to_string(sandbox.aws_config()).unwrap();
    assert!(
        text.contains("[sso-session sso-session-old]")
            && text.contains("output = json")
            && !text.contains("\nsso_account_id"),
        "{text}"
    );
    let user = TestUser { profile: "old", session: "sso-session-old", ..TestUser::ADMIN };
    sandbox.login(user).succeeded();
    assert_eq!(sandbox.daemon().profile("old").unwrap().account_id, ACCOUNT);
}

#[test]
fn without_a_terminal_missing_flags_are_named() {
    let sandbox = Sandbox::new();
    let error = sandbox.ssod(&["configure"]).failed_with(2);
    assert!(error.contains("--session --start-url --region --profile"), "{error}");
    let result = sandbox.ssod(&[
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
    assert!(result.failed_with(2).contains("is not a start URL"));
}

#[test]
fn existing_values_are_replaced_only_with_the_replace_flag() {
    let sandbox = Sandbox::new();
    let start_url = sandbox.fake().start_url();
    sandbox.ssod(&flags(&start_url, &[])).succeeded();
    let before = fs::read_to_string(sandbox.aws_config()).unwrap();
    let other_role = flags(&start_url, &[])
        .iter()
        .map(|flag| flag.replace("AdminRole", "ReadOnlyRole"))
        .collect::<Vec<_>>();
    let mut other_role: Vec<&str> = other_role.iter().map(String::as_str).collect();
    let error = sandbox.ssod(&other_role).failed_with(2);
    assert!(
        error.contains("adminUser is AdminRole in 123456789012") && error.contains("--replace"),
        "{error}"
    );
    let error = sandbox.ssod(&flags("https://d-9999999999.awsapps.com/start", &[])).failed_with(2);
    assert!(error.contains("is used by adminUser") && error.contains("--replace"), "{error}");
    assert_eq!(fs::read_to_string(sandbox.aws_config()).unwrap(), before);
    other_role.push("--replace");
    sandbox.ssod(&other_role).succeeded();
    assert_eq!(sandbox.daemon().profile("adminUser").unwrap().role_name, "ReadOnlyRole");
}
