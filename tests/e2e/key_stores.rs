//! The vault's key in the operating system's own key stores: a real gnome-keyring, a real kernel keyring.

use std::fs;

use ssod_testkit::{Finished, Person, Sandbox, programs, run};

/// Starts the daemon twice in one session of that kind and prints what must be the same: the endpoint's token, which is
/// sealed under the key; and in between where the key is.
const TWICE: &str = r#"
ssod status --json | grep -o '"key_store": "[a-z-]*"'
ssod env adminUser --shell json
kill "$(cat "$HOME/.local/state/ssod/daemon.lock")"
while [ -e "$XDG_RUNTIME_DIR/ssod/control.sock" ]; do sleep 0.05; done
ssod env adminUser --shell json
kill "$(cat "$HOME/.local/state/ssod/daemon.lock")"
"#;

fn twice(store: &str, session: &[&str], before: &str) -> Finished {
    let sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    let settings = format!("[endpoint]\nport = {}\n[vault]\nkey = \"{store}\"\n", sandbox.port);
    fs::write(sandbox.home().join(".config/ssod/config.toml"), settings).unwrap();
    let script = format!("set -eu\n{before}\n{TWICE}");
    let done = run(sandbox.command(session[0]).args(&session[1..]).args(["sh", "-c", &script]));
    assert!(!sandbox.state().join("vault/key").exists(), "the key is nowhere on the disk");
    done
}

fn same_key_in(store: &str, done: Finished) {
    let output = done.succeeded();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    assert!(lines[0].contains(store), "{output}");
    assert_eq!(lines[1], lines[2], "the second daemon opened what the first one sealed");
}

#[test]
fn the_secret_service_keeps_the_key() {
    let unlock = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1";
    for choice in ["secret-service", "auto"] {
        same_key_in("secret-service", twice(choice, &["dbus-run-session", "--"], unlock));
    }
}

#[test]
fn the_kernels_keyring_keeps_the_key() {
    // The key outlives the session in the user's persistent keyring: what the test made, it removes.
    let done = twice(
        "keyutils",
        &["keyctl", "session", "-"],
        "trap 'keyctl purge -s user keyring:vault-key >/dev/null 2>&1 || true' EXIT",
    );
    same_key_in("keyutils", done);
}

#[test]
fn a_locked_keyring_is_an_error_and_not_a_hidden_prompt() {
    let lock = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login >/dev/null";
    let refused = twice("secret-service", &["dbus-run-session", "--"], lock);
    assert!(refused.stderr.contains("is locked. Unlock it"), "{}", refused.stderr);
}

#[test]
fn without_any_keyring_auto_says_what_to_choose() {
    let sandbox = Sandbox::new();
    let settings = format!("[endpoint]\nport = {}\n[vault]\nkey = \"secret-service\"\n", sandbox.port);
    fs::write(sandbox.home().join(".config/ssod/config.toml"), settings).unwrap();
    let mut command = sandbox.command(programs().join("ssod-daemon"));
    let refused = run(command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")).failed_with(1);
    assert!(
        refused.contains("secret-service is not available") && refused.contains("gnome-keyring"),
        "{refused}"
    );
}
