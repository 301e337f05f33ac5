//! Copies of the vault's files that are put back after a sign-out or a revocation are reported and not used (T36).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssod_control::SessionState;
use ssod_testkit::{Sandbox, TestUser, run, wait_until};

use crate::key_stores::{KERNEL_SESSION, PURGE_KERNEL_KEY, SESSION_BUS, UNLOCK, WAIT_UNTIL_OPEN};

/// Copies the vault's folder, as a backup does.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn backup(sandbox: &Sandbox) -> PathBuf {
    let backup = sandbox.home().join("backup");
    copy(&sandbox.daemon().vault_folder(), &backup);
    backup
}

/// Puts the copy back while the daemon does not run, and starts the daemon.
fn restart_with(sandbox: &mut Sandbox, backup: &Path) {
    let vault = sandbox.daemon().vault_folder();
    fs::remove_dir_all(&vault).unwrap();
    copy(backup, &vault);
    sandbox.start_daemon();
    wait_until("the vault is open", || sandbox.daemon().status().daemon.vault.is_open());
}

fn session_state(sandbox: &Sandbox) -> SessionState {
    sandbox.daemon().status().sessions[0].state
}

fn assert_older_vault_is_reported(sandbox: &Sandbox) {
    let problems = sandbox.daemon().problems().join("\n");
    assert!(problems.contains("from before the last sign-out or revocation"), "{problems}");
    assert!(problems.contains("Sign in again: ssod login"), "{problems}");
    let doctor = sandbox.ssod(&["doctor"]).stdout;
    assert!(doctor.contains("from before the last sign-out or revocation"), "{doctor}");
    assert!(sandbox.daemon().log().contains("from before the last sign-out or revocation"));
}

#[test]
fn files_from_before_a_logout_are_reported_and_not_used() {
    for arguments in [&["logout"][..], &["logout", "--revoke-shells"]] {
        let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
        sandbox.daemon().wait_until_credentials_are_saved();
        let token = sandbox.daemon().token("adminUser");
        assert_eq!(sandbox.daemon().credentials_with_token("adminUser", &token).status, 200);
        let backup = backup(&sandbox);
        sandbox.ssod(arguments).succeeded();
        sandbox.daemon().kill();
        restart_with(&mut sandbox, &backup);
        assert_eq!(session_state(&sandbox), SessionState::SignedOut, "{arguments:?}");
        let code = sandbox.daemon().credentials_with_token("adminUser", &token).json()["code"].clone();
        // The older tokens of shells are not used either.
        assert_eq!(code, "InvalidToken", "{arguments:?}");
        assert_older_vault_is_reported(&sandbox);
        // The remedy works, also after a restart.
        sandbox.login(TestUser::ADMIN).succeeded();
        sandbox.daemon().kill();
        sandbox.start_daemon();
        assert_eq!(session_state(&sandbox), SessionState::Active, "{arguments:?}");
    }
}

#[test]
fn files_from_before_a_rekey_are_not_used_after_a_logout() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let backup = backup(&sandbox);
    sandbox.ssod(&["vault", "rekey"]).succeeded();
    sandbox.ssod(&["logout"]).succeeded();
    sandbox.daemon().kill();
    restart_with(&mut sandbox, &backup);
    assert_eq!(session_state(&sandbox), SessionState::SignedOut);
    assert_older_vault_is_reported(&sandbox);
}

#[test]
fn kills_during_a_logout_lose_no_other_sign_in_and_accept_no_older_copy() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.configure(TestUser::READ_ONLY);
    sandbox.start_daemon();
    sandbox.login(TestUser::READ_ONLY).succeeded();
    for delay in [0, 3, 6, 10, 15, 25, 40, 80] {
        sandbox.login(TestUser::ADMIN).succeeded();
        let mut logout = sandbox.ssod_command();
        let mut logout = logout.args(["logout", "adminUser"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        sandbox.daemon().kill();
        let confirmed = logout.wait().unwrap().success();
        sandbox.start_daemon();
        wait_until("the vault is open", || sandbox.daemon().status().daemon.vault.is_open());
        let state = |name: &str| {
            let status = sandbox.daemon().status();
            status.sessions.iter().find(|session| session.name.contains(name)).unwrap().state
        };
        assert_eq!(state("readOnlyUser"), SessionState::Active, "killed after {delay} ms");
        if confirmed {
            assert_eq!(state("adminUser"), SessionState::SignedOut, "killed after {delay} ms");
        }
        assert_eq!(sandbox.daemon().problems(), [""; 0], "killed after {delay} ms");
    }
    let backup = backup(&sandbox);
    sandbox.ssod(&["logout"]).succeeded();
    sandbox.daemon().kill();
    restart_with(&mut sandbox, &backup);
    assert!(sandbox.daemon().status().sessions.iter().all(|one| one.state == SessionState::SignedOut));
}

/// Puts an older copy back while the counter is in that key store, beside the key.
fn assert_older_vault_is_not_used(store: &str, session: &[&str], setup: &str) {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let port = sandbox.daemon().port();
    sandbox.write_settings(&format!("[endpoint]\nport = {port}\n[vault]\nkey = \"{store}\"\n"));
    let script = format!(
        r#"set -eu
{setup}
{WAIT_UNTIL_OPEN}
token() {{ ssod env adminUser --shell json | grep -o 'AUTHORIZATION_TOKEN":"[^"]*'; }}
stop() {{ kill "$(cat "$HOME/.local/state/ssod/daemon.lock")"; while [ -e "$XDG_RUNTIME_DIR/ssod/control.sock" ]; do sleep 0.05; done; }}
vault="$HOME/.local/state/ssod/vault"
before=$(token); cp -r "$vault" backup
ssod logout --revoke-shells >/dev/null
revoked=$(token); stop
{WAIT_UNTIL_OPEN}
[ "$(token)" = "$revoked" ] && echo "restart: kept"
stop
rm -r "$vault"; cp -r backup "$vault"
{WAIT_UNTIL_OPEN}
[ "$(token)" != "$before" ] && echo "older: not used"
ssod status | grep -o 'from before the last sign-out or revocation'
stop
"#
    );
    let output = run(sandbox.command(session[0]).args(&session[1..]).args(["sh", "-c", &script])).succeeded();
    let expected = "restart: kept\nolder: not used\nfrom before the last sign-out or revocation\n";
    assert_eq!(output, expected, "{store}");
}

#[test]
fn with_the_key_in_the_keyring_an_older_vault_is_not_used() {
    assert_older_vault_is_not_used("secret-service", SESSION_BUS, UNLOCK);
}

#[test]
fn with_the_key_in_the_kernels_keyring_an_older_vault_is_not_used() {
    assert_older_vault_is_not_used("keyutils", KERNEL_SESSION, PURGE_KERNEL_KEY);
}
