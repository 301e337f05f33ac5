//! The vault's key in the operating system's own key stores: a real gnome-keyring, a real kernel keyring.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ssod_testkit::{Finished, Person, Sandbox, leaks, run};

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
    let keys = leaks::files_below(&sandbox.state().join("vault"));
    let keys =
        keys.iter().filter_map(|path| path.file_name()?.to_str()).filter(|name| name.starts_with("key"));
    assert_eq!(keys.collect::<Vec<_>>(), ["key-store"], "the key itself is nowhere on the disk");
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
        "trap 'keyctl purge -p user \"keyring:vault-key-$(sed -n s/^keyutils.//p .local/state/ssod/vault/key-store)\" >/dev/null 2>&1 || true' EXIT",
    );
    same_key_in("keyutils", done);
}

/// What `ssod status` says about the vault in that session.
fn vault_says(settings: &str, session: &[&str], before: &str, commands: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.settings_as_they_are(&format!("[endpoint]\nport = {}\n{settings}", sandbox.port));
    let script =
        format!("set -u\n{before}\n{commands}\nkill \"$(cat \"$HOME/.local/state/ssod/daemon.lock\")\"");
    let mut command = sandbox.command(session[0]);
    run(command
        .args(&session[1..])
        .args(["sh", "-c", &script])
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent"))
    .stdout
}

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;
const UNLOCK: &str = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1";
const SHOW: &str = "ssod status --json | grep -A3 '\"vault\": {'; ssod login adminUser 2>&1";

#[test]
fn a_locked_keyring_has_its_own_word_and_remedy_and_opens_no_hidden_prompt() {
    let lock = "dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login >/dev/null";
    // Locked before the first start, and locked later: the daemon goes on, and tries again by itself.
    let said = vault_says(
        "[vault]\nkey = \"secret-service\"\n",
        &["dbus-run-session", "--"],
        &format!("{UNLOCK}\n{lock}"),
        SHOW,
    );
    assert!(
        said.contains("\"state\": \"locked\"") && said.contains("The key store secret-service is locked"),
        "{said}"
    );
    assert!(said.contains("Unlock the keyring"), "{said}");
}

#[test]
fn a_keyring_that_comes_later_is_taken_up_by_itself() {
    let until_open =
        "until ssod status --json | grep -q '\"state\": \"open\"'; do sleep 0.1; done; echo opened";
    let said = vault_says(
        "[vault]\nkey = \"secret-service\"\n",
        // A bus that starts nothing by itself, as before a desktop is there.
        &[
            "sh",
            "-c",
            "printf '%s' \"$1\" > bus.conf; shift; exec timeout 40 dbus-run-session --config-file=bus.conf -- \"$@\"",
            "sh",
            BUS,
        ],
        "",
        &format!("{SHOW}\n{UNLOCK}\n{until_open}"),
    );
    assert!(
        said.contains("\"state\": \"absent\"") && said.contains("Start a keyring such as gnome-keyring"),
        "{said}"
    );
    assert!(said.ends_with("opened\n"), "{said}");
}

#[test]
fn a_keyring_that_lost_the_key_is_an_error_and_makes_no_new_one() {
    let lose = "ssod status >/dev/null; ssod lock >/dev/null; rm -r \"$HOME/.local/share/keyrings\" 2>/dev/null; \
                sed -i 's/^secret-service .*/secret-service 0123456789abcdef/' \"$HOME/.local/state/ssod/vault/key-store\"; ssod unlock 2>&1";
    let said = vault_says(
        "[vault]\nkey = \"secret-service\"\n",
        &["dbus-run-session", "--"],
        UNLOCK,
        &format!("{lose}; {SHOW}"),
    );
    assert!(said.contains("\"state\": \"missing\"") && said.contains("does not have the key of"), "{said}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let mut sandbox = Sandbox::signed_in(Person::ADMIN);
    sandbox.daemon().kill();
    let vault = sandbox.state().join("vault");
    let place = fs::read_to_string(vault.join("key-store")).unwrap();
    let key = vault.join(format!("key-{}", place.split_whitespace().nth(1).unwrap()));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    sandbox.start_daemon();
    let status = sandbox.status();
    assert_eq!(status["daemon"]["vault"]["state"], "refused", "{status}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.ssod(&["unlock"]).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
}

#[test]
fn without_any_keyring_auto_says_what_to_choose_and_takes_it_up_at_once() {
    let sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.settings_as_they_are(&format!(
        "[endpoint]\nport = {}\n[vault]\nkey = \"secret-service\"\n",
        sandbox.port
    ));
    let refused = sandbox.ssod(&["login", "adminUser"]).failed_with(1);
    assert!(
        refused.contains("secret-service is not available") && refused.contains("gnome-keyring"),
        "{refused}"
    );
    sandbox.settings("");
    sandbox.eventually("the file is used", || sandbox.status()["daemon"]["vault"]["state"] == "open");
}

/// A bus on which nobody may answer: each question takes the whole time that it has.
const MUTE: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;

/// Asks the endpoint of the sandbox whose home is the working folder.
const ASK: &str = r#"status --json | grep '"state": "opening"'
python3 - "$(sed -n 's/^port = //p' .config/ssod/config.toml)" <<'END'
import sys, urllib.request, urllib.error
request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/credentials/adminUser", headers={"Authorization": "x"})
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
END"#;

#[test]
fn while_a_slow_key_store_is_asked_sdks_are_told_to_come_again() {
    let bus = "printf '%s' \"$1\" > bus.conf; shift; exec timeout 40 dbus-run-session --config-file=bus.conf -- \"$@\"";
    let session = ["sh", "-c", bus, "sh", MUTE];
    let said = vault_says("[vault]\nkey = \"secret-service\"\n", &session, "", &format!("ssod {ASK}"));
    assert!(said.contains("503") && said.contains("The vault is being opened"), "{said}");
}

/// The keyring is slow; somebody gives an unlock up, and locks. The unlock's late end must not open what was locked since.
#[test]
fn an_unlock_that_was_given_up_does_not_undo_a_later_lock() {
    let commands = r#"ssod status >/dev/null; ssod lock >/dev/null
keyring=$(dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets | sed -n 's/.*uint32 //p')
kill -STOP "$keyring"
timeout 1 ssod unlock >/dev/null 2>&1; echo "given up: $?"
ssod lock & locking=$!
sleep 1; kill -CONT "$keyring"; wait "$locking"; sleep 1
ssod status --json | grep -o '"state": "locked"'; ssod env adminUser 2>&1"#;
    let session = ["timeout", "40", "dbus-run-session", "--"];
    let said = vault_says("[vault]\nkey = \"secret-service\"\n", &session, UNLOCK, commands);
    assert!(said.contains("given up: 124") && said.contains("Locked: every secret"), "{said}");
    // The vault says so, and so does the session: nothing of it is in memory.
    assert_eq!(said.matches("\"state\": \"locked\"").count(), 2, "{said}");
    assert!(said.contains("ssod is locked"), "{said}");
}
