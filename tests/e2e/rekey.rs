//! A rekey and a move to another key store lose no sign-in.

use std::fs;
use std::path::Path;

use ssod_testkit::{Sandbox, TestUser, leaks, run, wait_until};

use crate::key_stores::{
    KERNEL_SESSION, KEYRING_FUNCTIONS, PURGE_KERNEL_KEY, SESSION_BUS, UNLOCK, WAIT_UNTIL_OPEN,
};

/// Returns the header of every sealed file. It identifies the key under which the file is sealed.
fn headers(vault: &Path) -> Vec<Vec<u8>> {
    let sealed = leaks::files_below(vault)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "sealed"));
    sealed.map(|path| fs::read(path).unwrap()[..18].to_vec()).collect()
}

#[test]
fn a_rekey_reseals_every_file_and_requires_no_new_sign_in() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let served = sandbox.daemon().credentials("adminUser").body;
    let vault = sandbox.daemon().vault_folder();
    sandbox.daemon().wait_until_credentials_are_saved();
    let (before, old_key) = (headers(&vault), fs::read_to_string(vault.join("key-store")).unwrap());
    let output = sandbox.ssod(&["vault", "rekey"]).succeeded();
    assert!(output.contains("The vault has a new key, in file"), "{output}");
    let after = headers(&vault);
    assert!(before.len() == after.len() && before.iter().all(|header| !after.contains(header)));
    let old_key = old_key.split_whitespace().nth(1).unwrap().to_owned();
    assert!(!vault.join(format!("key-{old_key}")).exists());
    sandbox.daemon().kill();
    sandbox.fake().stop();
    sandbox.start_daemon();
    assert_eq!(sandbox.daemon().credentials("adminUser").body, served);
}

/// Starts the daemon with the key in a file, moves the key to the store with the command that `ssod status` suggests,
/// and restarts.
fn move_key_to(store: &str, session: &[&str], setup: &str) {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let settings =
        |key: &str| format!("[endpoint]\nport = {}\n[vault]\nkey = \"{key}\"\n", sandbox.daemon().port());
    sandbox.write_settings(&settings("file"));
    let script = format!(
        r#"set -eu
{setup}
{WAIT_UNTIL_OPEN}
ssod env adminUser --shell json
sed -i 's/key = "file"/key = "{store}"/' "$HOME/.config/ssod/config.toml"
until ssod status | grep -q 'Move it: ssod vault move {store}'; do sleep 0.05; done
ssod vault move {store}
ls "$HOME/.local/state/ssod/vault" | grep -c '^key-[0-9a-f]' || true
kill "$(cat "$HOME/.local/state/ssod/daemon.lock")"
while [ -e "$XDG_RUNTIME_DIR/ssod/control.sock" ]; do sleep 0.05; done
{WAIT_UNTIL_OPEN}
ssod env adminUser --shell json
ssod status --json | grep -o '"key_store": "[a-z-]*"'
kill "$(cat "$HOME/.local/state/ssod/daemon.lock")"
"#
    );
    let output = run(sandbox.command(session[0]).args(&session[1..]).args(["sh", "-c", &script])).succeeded();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 5, "{output}");
    assert_eq!(lines[0], lines[3], "the endpoint's token, which is sealed, has changed");
    assert!(lines[1].contains(&format!("in {store}")) && lines[4].contains(store), "{output}");
    assert_eq!(lines[2], "0", "a key is left in a file");
}

#[test]
fn the_key_moves_from_a_file_to_the_keyring() {
    move_key_to("secret-service", SESSION_BUS, UNLOCK);
}

#[test]
fn the_key_moves_from_a_file_to_the_kernels_keyring() {
    move_key_to("keyutils", KERNEL_SESSION, PURGE_KERNEL_KEY);
}

#[test]
fn a_move_to_a_store_that_is_not_available_changes_nothing() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let conflict = sandbox.ssod(&["vault", "move", "secret-service"]).failed_with(1);
    assert!(conflict.contains("[vault] key in config.toml says file"), "{conflict}");
    sandbox.write_settings(&format!("[endpoint]\nport = {}\n", sandbox.daemon().port()));
    wait_until("the daemon has read the setting", || {
        sandbox.ssod(&["vault", "move", "secret-service"]).stderr.contains("is not available")
    });
    let refused = sandbox.ssod(&["vault", "move", "secret-service"]).failed_with(1);
    assert!(refused.contains("The old key is still in force"), "{refused}");
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    assert_eq!(sandbox.daemon().status().daemon.key_store, "file");
}

/// Kills the daemon at many moments of a rekey and of a move, each with a key in a real keyring.
#[test]
fn a_rekey_that_is_killed_leaves_one_key_in_the_keyring() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.write_settings(&format!("[endpoint]\nport = {}\n", sandbox.daemon().port()));
    let script = format!(
        r#"set -u
{KEYRING_FUNCTIONS}
{UNLOCK}
state="$HOME/.local/state/ssod"
pid() {{ cat "$state/daemon.lock"; }}
{WAIT_UNTIL_OPEN}
token=$(ssod env adminUser --shell json)
for delay in 0.02 0.1 0.2 0.3 0.4 0.5 0.6 0.8 1.0 1.3; do
    ssod vault rekey >/dev/null 2>&1 & rekeying=$!
    sleep "$delay"; kill -9 "$(pid)"; wait "$rekeying"
    {WAIT_UNTIL_OPEN}
    for attempt in $(seq 100); do [ "$(entries | wc -l)" = 1 ] && ! grep -q delete "$state/vault/key-store" && break; sleep 0.1; done
    echo "$delay: $(entries | wc -l) entries, $(grep -c delete "$state/vault/key-store") to delete"
    [ "$(ssod env adminUser --shell json)" = "$token" ] || echo "the token has changed"
done
ssod vault move file >/dev/null; echo "moved: $(entries | wc -l) entries"
kill "$(pid)"
"#
    );
    let session = ["timeout", "120", "dbus-run-session", "--"];
    let output = run(sandbox.command(session[0]).args(&session[1..]).args(["sh", "-c", &script])).stdout;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 11, "{output}");
    assert!(lines[..10].iter().all(|line| line.ends_with(": 1 entries, 0 to delete")), "{output}");
    assert_eq!(lines[10], "moved: 0 entries", "{output}");
}
