//! A machine without a key store, as most servers, WSL and containers are: the user decides to keep the key in a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use ssod_fake_identity_center::FaultKind;
use ssod_testkit::{ACCOUNT, CommandOutput, Sandbox, TestUser, programs, run};

use crate::clients::interop_file;

/// A sandbox in which neither the Secret Service nor the kernel's keyring is usable. It has no settings.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::remove_file(settings(&sandbox)).unwrap();
    sandbox
}

fn settings(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".config/ssod/config.toml")
}

/// Returns a command that runs a program where no key store is usable; so does the daemon that it starts.
fn without_key_store(sandbox: &Sandbox, program: &str) -> Command {
    let mut command = sandbox.command("/usr/bin/python3");
    command
        .arg(interop_file("no_kernel_keyring.py"))
        .arg(program)
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .env("BROWSER", "/bin/false");
    command
}

fn ssod(sandbox: &Sandbox, arguments: &[&str]) -> CommandOutput {
    run(without_key_store(sandbox, programs().join("ssod").to_str().unwrap()).args(arguments))
}

fn ssod_in_terminal(sandbox: &Sandbox, arguments: &[&str], steps: &serde_json::Value) -> CommandOutput {
    run(without_key_store(sandbox, "/usr/bin/python3")
        .arg(interop_file("terminal.py"))
        .arg(steps.to_string())
        .arg(programs().join("ssod"))
        .args(arguments))
}

/// Checks the error that names the file and its lines.
fn assert_names_file_and_lines(sandbox: &Sandbox, error: &str) {
    assert!(error.contains("No key store is available on this machine"), "{error}");
    let file = settings(sandbox).display().to_string();
    for words in [file.as_str(), "[vault]", "key = \"file\"", "ssod vault move file"] {
        assert!(error.contains(words), "{words} is missing: {error}");
    }
}

#[test]
fn without_a_terminal_the_error_names_the_file_and_the_lines() {
    let sandbox = sandbox();
    sandbox.configure(TestUser::ADMIN);
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    for arguments in [
        ["login", "adminUser"].as_slice(),
        &["login", "adminUser", "--no-input"],
        &["configure", "--session", "sso-session-adminUser", "--profile", "other"],
        &["exec", "adminUser", "--", "true"],
    ] {
        assert_names_file_and_lines(&sandbox, &ssod(&sandbox, arguments).failed_with(1));
    }
    assert!(!settings(&sandbox).exists(), "a setting was written without the user's decision");
    assert_eq!(fs::read_to_string(sandbox.aws_config()).unwrap(), config);
}

#[test]
fn login_asks_writes_the_setting_and_continues() {
    let sandbox = sandbox();
    sandbox.configure(TestUser::ADMIN);
    let refused =
        ssod_in_terminal(&sandbox, &["login", "adminUser"], &json!([["Keep the key in a file?", "n"]]));
    assert_eq!(refused.status, 1, "{}", refused.stdout);
    assert_names_file_and_lines(&sandbox, &refused.stdout.replace("\r\n", "\n"));
    assert!(!settings(&sandbox).exists());

    // The user's own file keeps its other bytes.
    let port = sandbox.daemon().status().daemon.port;
    let own = format!("# mine\n[endpoint]\nport = {port} # fixed\n[vault] # see the wiki\n");
    sandbox.write_settings(&own);
    // The sign-in that follows fails at AWS, which shows that it was begun.
    sandbox.fake().add_fault(FaultKind::Fail, "RegisterClient");
    let output =
        ssod_in_terminal(&sandbox, &["login", "adminUser"], &json!([["Keep the key in a file?", "y"]]));
    sandbox.fake().clear_faults();
    assert!(sandbox.fake().calls("RegisterClient") > 0, "{}", output.stdout);
    assert!(output.stdout.contains("each copy of your home folder"), "{}", output.stdout);
    assert_eq!(fs::read_to_string(settings(&sandbox)).unwrap(), format!("{own}key = \"file\"\n"));
    assert!(sandbox.daemon().status().daemon.vault.is_open());
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().status().daemon.key_store, "file");
}

#[test]
fn configure_asks_before_any_other_question_and_makes_a_private_settings_file() {
    let sandbox = sandbox();
    let steps = json!([["Keep the key in a file?", "y"], ["SSO session name", "\u{3}"]]);
    let output = ssod_in_terminal(&sandbox, &["configure"], &steps);
    assert_eq!(output.status, 130, "{}", output.stdout);
    assert_eq!(fs::read_to_string(settings(&sandbox)).unwrap(), "[vault]\nkey = \"file\"\n");
    assert_eq!(fs::metadata(settings(&sandbox)).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(sandbox.daemon().status().daemon.vault.is_open());
    assert!(!sandbox.aws_config().exists(), "nothing is written before the last answer");
}

#[test]
fn vault_move_file_gives_a_vault_without_a_key_its_first_key() {
    let sandbox = sandbox();
    sandbox.configure(TestUser::ADMIN);
    let text = ssod(&sandbox, &["vault", "move", "file"]).succeeded();
    assert!(text.contains("The vault's key is in file now"), "{text}");
    assert!(!settings(&sandbox).exists());
    sandbox.login(TestUser::ADMIN).succeeded();
    // The vault records where its key is, so the next daemon finds it.
    let pid = sandbox.daemon().status().daemon.pid;
    run(sandbox.command("/bin/kill").arg(pid.to_string())).succeeded();
    ssod_testkit::wait_until("the daemon ends", || !sandbox.daemon().socket().exists());
    ssod(&sandbox, &["exec", "adminUser", "--", "/bin/true"]).succeeded();
}

#[test]
fn a_settings_file_with_a_mistake_is_not_changed() {
    let sandbox = sandbox();
    sandbox.configure(TestUser::ADMIN);
    ssod(&sandbox, &["status"]).succeeded();
    sandbox.write_settings("[endpoint]\nport 7\n");
    let steps = json!([["Keep the key in a file?", "y"]]);
    let output = ssod_in_terminal(&sandbox, &["login", "adminUser"], &steps);
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(output.stdout.contains("config.toml line 2 is malformed"), "{}", output.stdout);
    assert_eq!(fs::read_to_string(settings(&sandbox)).unwrap(), "[endpoint]\nport 7\n");
}

#[test]
fn the_flags_of_configure_are_checked_without_a_key_store() {
    // A profile whose role is given needs no sign-in, so it can be written on a machine that is only being set up.
    let sandbox = sandbox();
    let start_url = sandbox.fake().start_url();
    let flags = ["--session", "s", "--start-url", &start_url, "--region", "us-east-1", "--account", ACCOUNT];
    let flags = [["configure", "--profile", "p", "--role", "R"].as_slice(), &flags].concat();
    ssod(&sandbox, &flags).succeeded();
    assert!(fs::read_to_string(sandbox.aws_config()).unwrap().contains("[profile p]"));
}
