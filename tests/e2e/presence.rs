//! `[lock] presence`: an unlock needs the keyring's password.
//!
//! A prompt needs a screen, which the tests do not have; so the keyring reports it as dismissed.

use ssod_testkit::{Sandbox, TestUser, wait_until};

use crate::key_stores::{KEYRING_FUNCTIONS, SESSION_BUS, UNLOCK, WAIT_UNTIL_OPEN, output_in_session};

const PRESENCE: &str = "[vault]\nkey = \"secret-service\"\n[lock]\npresence = true\n";
/// Shows whether the keyring and the vault are locked.
const STATE: &str = r#"
state() {
    dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets/collection/login org.freedesktop.DBus.Properties.Get string:org.freedesktop.Secret.Collection string:Locked | grep -q 'boolean true' && echo "keyring locked" || echo "keyring open"
    ssod status --json | grep -A1 '"vault": {' | grep -o '"state": "[a-z]*"'
}"#;

#[test]
fn an_unlock_needs_the_keyrings_password() {
    let commands = r#"
before=$(ssod env adminUser --shell json)
ssod lock; state
timeout 38 ssod unlock 2>&1; echo "status: $?"; state
kill "$(cat "$HOME/.local/state/ssod/daemon.lock")"; while [ -e "$XDG_RUNTIME_DIR/ssod/control.sock" ]; do sleep 0.05; done
ssod status >/dev/null 2>&1; sleep 1; state
kill "$(keyring_pid)"; while bus NameHasOwner string:org.freedesktop.secrets | grep -q true; do sleep 0.05; done
printf wrong | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; ssod unlock 2>&1; state
kill "$(keyring_pid)"; while bus NameHasOwner string:org.freedesktop.secrets | grep -q true; do sleep 0.05; done
printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; ssod unlock; state
[ "$(ssod env adminUser --shell json)" = "$before" ] && echo "nothing is lost""#;
    let setup = format!("{KEYRING_FUNCTIONS}\n{STATE}\n{UNLOCK}\n{WAIT_UNTIL_OPEN}");
    let output = output_in_session(PRESENCE, SESSION_BUS, &setup, commands);
    let locked = "keyring locked\n\"state\": \"locked\"\n";
    let after_lock =
        output.split_once("To resume: ssod unlock\n").map(|(_, after)| after).unwrap_or_default();
    assert!(after_lock.starts_with(locked), "{output}");
    assert!(output.contains("The keyring's password was not entered: "), "{output}");
    assert!(output.contains(&format!("status: 1\n{locked}{locked}")), "after a restart, too: {output}");
    assert_eq!(output.matches(locked).count(), 4, "with a wrong password, too: {output}");
    assert!(output.contains("Run ssod unlock in a desktop session"), "{output}");
    let end = "Unlocked.\nkeyring open\n\"state\": \"open\"\nnothing is lost\n";
    assert!(output.ends_with(end), "{output}");
}

#[test]
fn an_unlock_ends_although_the_keyring_does_not_answer() {
    let commands = r#"
ssod lock >/dev/null
keyring=$(keyring_pid); kill -STOP "$keyring"
timeout 20 ssod unlock 2>&1; echo "status: $?"
kill -CONT "$keyring"; state"#;
    let setup = format!("{KEYRING_FUNCTIONS}\n{STATE}\n{UNLOCK}\n{WAIT_UNTIL_OPEN}");
    let output = output_in_session(PRESENCE, SESSION_BUS, &setup, commands);
    let end = "status: 1\nkeyring locked\n\"state\": \"locked\"\n";
    assert!(output.starts_with("error: The key store secret-service") && output.ends_with(end), "{output}");
}

#[test]
fn without_presence_a_lock_leaves_the_keyring_open() {
    let setup = format!("{KEYRING_FUNCTIONS}\n{STATE}\n{UNLOCK}\n{WAIT_UNTIL_OPEN}");
    let settings = "[vault]\nkey = \"secret-service\"\n";
    let output = output_in_session(settings, SESSION_BUS, &setup, "ssod lock >/dev/null; state; ssod unlock");
    assert_eq!(output, "keyring open\n\"state\": \"locked\"\nUnlocked.\n");
}

#[test]
fn presence_is_refused_for_a_key_store_without_a_password() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.add_settings("[lock]\npresence = true\n");
    let refused = sandbox.ssod(&["status"]).failed_with(4);
    assert!(refused.contains("presence under [lock] needs a keyring with a password"), "{refused}");
    let port = sandbox.daemon().port();
    let settings = |lock: &str| format!("[endpoint]\nport = {port}\n{lock}");
    sandbox.write_settings(&format!("{}[vault]\nkey = \"file\"\n", settings("")));
    sandbox.start_daemon();
    wait_until("the vault is open", || sandbox.daemon().status().daemon.vault.is_open());
    // With "auto", the settings do not say where the key is.
    sandbox.write_settings(&settings("[lock]\npresence = true\n"));
    wait_until("the problem is reported", || {
        sandbox.daemon().problems().concat().contains("[lock] presence = true has no effect")
    });
    let refused = sandbox.ssod(&["vault", "move", "keyutils"]).failed_with(1);
    assert!(refused.contains("[lock] presence needs a keyring with a password"), "{refused}");
}
