//! The vault's key in the operating system's own key stores: a real gnome-keyring, a real kernel keyring.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ssod_control::VaultStateKind;
use ssod_testkit::{CommandOutput, Sandbox, TestUser, leaks, run, wait_until};

/// Starts the daemon twice. Prints where the key is, and each time the endpoint's token, which is sealed under the key
/// and must not change.
fn run_twice(store: &str, session: &[&str], setup: &str) -> CommandOutput {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let settings = format!("[endpoint]\nport = {}\n[vault]\nkey = \"{store}\"\n", sandbox.daemon().port());
    fs::write(sandbox.home().join(".config/ssod/config.toml"), settings).unwrap();
    let script = format!(
        r#"set -eu
{setup}
{WAIT_UNTIL_OPEN}
ssod status --json | grep -o '"key_store": "[a-z-]*"'
ssod env adminUser --shell json
kill "$(cat "$HOME/.local/state/ssod/daemon.lock")"
while [ -e "$XDG_RUNTIME_DIR/ssod/control.sock" ]; do sleep 0.05; done
{WAIT_UNTIL_OPEN}
ssod env adminUser --shell json
kill "$(cat "$HOME/.local/state/ssod/daemon.lock")"
"#
    );
    let finished = run(sandbox.command(session[0]).args(&session[1..]).args(["sh", "-c", &script]));
    let files = leaks::files_below(&sandbox.daemon().vault_folder());
    let key_files =
        files.iter().filter_map(|path| path.file_name()?.to_str()).filter(|name| name.starts_with("key"));
    assert_eq!(key_files.collect::<Vec<_>>(), ["key-store"], "the key itself is on the disk");
    finished
}

fn assert_same_key_in(store: &str, finished: CommandOutput) {
    let output = finished.succeeded();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    assert!(lines[0].contains(store), "{output}");
    assert_eq!(lines[1], lines[2], "the second daemon did not open what the first daemon sealed");
}

#[test]
fn the_secret_service_stores_the_key() {
    for choice in ["secret-service", "auto"] {
        assert_same_key_in("secret-service", run_twice(choice, SESSION_BUS, UNLOCK));
    }
}

#[test]
fn the_kernels_keyring_stores_the_key() {
    assert_same_key_in("keyutils", run_twice("keyutils", KERNEL_SESSION, PURGE_KERNEL_KEY));
}

/// Runs shell commands in this kind of session and returns their output. Ends the daemon afterwards.
pub(crate) fn output_in_session(settings: &str, session: &[&str], setup: &str, commands: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.write_settings(&format!("[endpoint]\nport = {}\n{settings}", sandbox.daemon().port()));
    let script =
        format!("set -u\n{setup}\n{commands}\nkill \"$(cat \"$HOME/.local/state/ssod/daemon.lock\")\"");
    let mut command = sandbox.command(session[0]);
    run(command
        .args(&session[1..])
        .args(["sh", "-c", &script])
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent"))
    .stdout
}

pub(crate) const SECRET_SERVICE: &str = "[vault]\nkey = \"secret-service\"\n";

pub(crate) const SESSION_BUS: &[&str] = &["timeout", "40", "dbus-run-session", "--"];
pub(crate) const KERNEL_SESSION: &[&str] = &["timeout", "40", "keyctl", "session", "-"];
/// A bus that cannot start programs, like the bus before the desktop has started.
const BARE_BUS: &[&str] = &[
    "sh",
    "-c",
    "printf '%s' \"$1\" > bus.conf; shift; exec timeout 40 dbus-run-session --config-file=bus.conf -- \"$@\"",
    "sh",
    r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"#,
];

/// Starts gnome-keyring with an unlocked default keyring.
pub(crate) const UNLOCK: &str =
    "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1";
/// Removes the key at the end, because a key in the user's persistent keyring outlives the session.
pub(crate) const PURGE_KERNEL_KEY: &str = "trap 'keyctl purge -p user \"keyring:vault-key-$(sed -n s/^keyutils.//p .local/state/ssod/vault/key-store)\" >/dev/null 2>&1 || true' EXIT";
/// Waits until the vault is open, because a key store may take longer than the two seconds that the first command
/// waits.
pub(crate) const WAIT_UNTIL_OPEN: &str =
    "until ssod status --json | grep -q '\"state\": \"open\"'; do sleep 0.1; done";
const SHOW_STATE_AND_ERROR: &str =
    "while ssod status --json | grep -q '\"state\": \"opening\"'; do sleep 0.1; done
ssod status --json | grep -A3 '\"vault\": {'; ssod login adminUser 2>&1";
/// Shell functions that change the keyring through the Secret Service's API, so gnome-keyring's next answer includes
/// the change. A change of its files would take effect only when gnome-keyring reads them again.
pub(crate) const KEYRING_FUNCTIONS: &str = r#"
service() { path="$1"; method="$2"; shift 2; dbus-send --session --print-reply --dest=org.freedesktop.secrets "$path" "org.freedesktop.Secret.$method" "$@"; }
entries() { service /org/freedesktop/secrets Service.SearchItems dict:string:string:service,ssod | grep -o '/org/freedesktop/secrets/collection/[^"]*'; }
lock_keyring() { service /org/freedesktop/secrets Service.Lock array:objpath:/org/freedesktop/secrets/collection/login >/dev/null; }
delete_entry() { service "$(entries)" Item.Delete >/dev/null; }
delete_keyring() { service /org/freedesktop/secrets/collection/login Collection.Delete >/dev/null; }
bus() { method="$1"; shift; dbus-send --session --print-reply --dest=org.freedesktop.DBus / "org.freedesktop.DBus.$method" "$@"; }
keyring_pid() { bus GetConnectionUnixProcessID string:org.freedesktop.secrets | sed -n 's/.*uint32 //p'; }
location() { echo "location: $(cat "$HOME/.local/state/ssod/vault/key-store")"; }
"#;

#[test]
fn a_locked_keyring_has_its_own_state_and_hint_and_opens_no_hidden_prompt() {
    let setup = format!("{KEYRING_FUNCTIONS}\n{UNLOCK}\nlock_keyring");
    let output = output_in_session(SECRET_SERVICE, SESSION_BUS, &setup, SHOW_STATE_AND_ERROR);
    assert!(
        output.contains("\"state\": \"locked\"") && output.contains("The key store secret-service is locked"),
        "{output}"
    );
    assert!(output.contains("Unlock the keyring"), "{output}");
}

#[test]
fn a_keyring_that_starts_later_is_used_automatically() {
    let commands = format!("{SHOW_STATE_AND_ERROR}\n{UNLOCK}\n{WAIT_UNTIL_OPEN}; echo opened");
    let output = output_in_session(SECRET_SERVICE, BARE_BUS, "", &commands);
    assert!(
        output.contains("\"state\": \"absent\"") && output.contains("Start a keyring such as gnome-keyring"),
        "{output}"
    );
    assert!(output.ends_with("opened\n"), "{output}");
}

/// Checks that the location is the same before and after.
fn assert_location_unchanged(output: &str) {
    let locations: Vec<&str> = output.lines().filter(|line| line.starts_with("location: ")).collect();
    assert_eq!(locations.len(), 2, "{output}");
    assert_eq!(locations[0], locations[1], "a new key was created: {output}");
}

#[test]
fn a_key_that_the_keyring_has_lost_is_missing_and_no_new_key_is_created() {
    let lose = "ssod lock >/dev/null; location; delete_entry; ssod unlock 2>&1";
    let output = output_in_session(
        SECRET_SERVICE,
        SESSION_BUS,
        &format!("{KEYRING_FUNCTIONS}\n{UNLOCK}\n{WAIT_UNTIL_OPEN}"),
        &format!("{lose}; {SHOW_STATE_AND_ERROR}; location; echo \"entries: $(entries | wc -l)\""),
    );
    assert!(
        output.contains("\"state\": \"missing\"") && output.contains("does not have the key of"),
        "{output}"
    );
    assert_location_unchanged(&output);
    assert!(output.ends_with("entries: 0\n"), "{output}");
}

#[test]
fn a_key_whose_keyring_is_gone_is_missing_until_the_keyring_is_back() {
    let lose = r#"
ssod env adminUser --shell json; ssod lock >/dev/null; location
keyrings="$HOME/.local/share/keyrings"; cp -r "$keyrings" backup
delete_keyring; ssod unlock 2>&1"#;
    let restore = r#"
location; cp backup/* "$keyrings"; kill "$(keyring_pid)"
while bus NameHasOwner string:org.freedesktop.secrets | grep -q true; do sleep 0.05; done"#;
    let output = output_in_session(
        SECRET_SERVICE,
        BARE_BUS,
        &format!("{KEYRING_FUNCTIONS}\n{UNLOCK}\n{WAIT_UNTIL_OPEN}"),
        &format!(
            "{lose}; {SHOW_STATE_AND_ERROR}\n{restore}\n{UNLOCK}\n{WAIT_UNTIL_OPEN}; ssod env adminUser --shell json"
        ),
    );
    assert!(output.contains("\"state\": \"missing\""), "{output}");
    assert!(
        output.contains("does not have the key of") && output.contains("it has no default keyring"),
        "{output}"
    );
    assert_location_unchanged(&output);
    let tokens: Vec<&str> = output.lines().filter(|line| line.starts_with('{')).collect();
    assert!(
        tokens.len() == 2 && tokens[0] == tokens[1],
        "the vault was not opened with the same key: {output}"
    );
}

#[test]
fn a_secret_service_without_a_default_keyring_has_its_own_state_and_hint() {
    let setup = format!("{KEYRING_FUNCTIONS}\n{UNLOCK}\ndelete_keyring");
    let output = output_in_session(SECRET_SERVICE, SESSION_BUS, &setup, SHOW_STATE_AND_ERROR);
    assert!(
        output.contains("\"state\": \"no-default-keyring\"")
            && output.contains("The Secret Service runs, but it has no default keyring."),
        "{output}"
    );
    assert!(output.contains("Create a default keyring"), "{output}");
}

#[test]
fn auto_skips_a_secret_service_without_a_default_keyring() {
    let output = output_in_session(
        "",
        &[KERNEL_SESSION, SESSION_BUS].concat(),
        &format!("{PURGE_KERNEL_KEY}\n{KEYRING_FUNCTIONS}\n{UNLOCK}\ndelete_keyring"),
        &format!("{WAIT_UNTIL_OPEN}; ssod status --json | grep -o '\"key_store\": \"[a-z-]*\"'"),
    );
    assert!(output.contains("\"key_store\": \"keyutils\""), "{output}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let mut sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.daemon().kill();
    let vault = sandbox.daemon().vault_folder();
    let location = fs::read_to_string(vault.join("key-store")).unwrap();
    let key = vault.join(format!("key-{}", location.split_whitespace().nth(1).unwrap()));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    sandbox.start_daemon();
    let status = sandbox.daemon().status();
    assert_eq!(status.daemon.vault.state, VaultStateKind::Refused, "{status:?}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.ssod(&["unlock"]).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

#[test]
fn without_a_keyring_a_changed_setting_is_used_at_once() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.write_settings(&format!(
        "[endpoint]\nport = {}\n[vault]\nkey = \"secret-service\"\n",
        sandbox.daemon().port()
    ));
    let refused = sandbox.ssod(&["login", "adminUser"]).failed_with(1);
    assert!(
        refused.contains("secret-service is not available") && refused.contains("gnome-keyring"),
        "{refused}"
    );
    sandbox.add_settings("");
    wait_until("the file is used", || sandbox.daemon().status().daemon.vault.state == VaultStateKind::Open);
}

/// A bus whose policy blocks every reply, so each call takes its whole time limit.
const MUTE_BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;

/// Requests credentials from the endpoint of the sandbox whose home folder is the working directory.
const REQUEST: &str = r#"python3 - "$(sed -n 's/^port = //p' .config/ssod/config.toml)" <<'END'
import sys, urllib.request, urllib.error
request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/credentials/adminUser", headers={"Authorization": "x"})
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
END"#;

#[test]
fn while_a_slow_key_store_has_not_answered_sdks_are_told_to_retry() {
    let mut session = BARE_BUS.to_vec();
    session[4] = MUTE_BUS;
    // Started directly, because ssod would first wait for the service manager's reply on the same bus.
    let start = r#"ssod-daemon >/dev/null 2>&1 &
until [ -S "$XDG_RUNTIME_DIR/ssod/control.sock" ]; do sleep 0.05; done"#;
    let commands = format!("ssod status --json | grep '\"state\": \"opening\"'\n{REQUEST}");
    let output = output_in_session(SECRET_SERVICE, &session, start, &commands);
    assert!(output.contains("503") && output.contains("The vault is being opened"), "{output}");
}

/// The keyring is slow, so the user cancels an unlock and then locks. When the unlock ends later, it must not open the
/// vault.
#[test]
fn a_cancelled_unlock_does_not_undo_a_later_lock() {
    let commands = r#"ssod lock >/dev/null
keyring=$(keyring_pid); kill -STOP "$keyring"
timeout 1 ssod unlock >/dev/null 2>&1; echo "cancelled: $?"
ssod lock & locking=$!
sleep 1; kill -CONT "$keyring"; wait "$locking"; sleep 1
ssod status --json | grep -o '"state": "locked"'; ssod env adminUser 2>&1"#;
    let setup = format!("{KEYRING_FUNCTIONS}\n{UNLOCK}\n{WAIT_UNTIL_OPEN}");
    let output = output_in_session(SECRET_SERVICE, SESSION_BUS, &setup, commands);
    assert!(output.contains("cancelled: 124") && output.contains("Locked: every secret"), "{output}");
    // Both the vault and the session are locked, so no secret of either is in memory.
    assert_eq!(output.matches("\"state\": \"locked\"").count(), 2, "{output}");
    assert!(output.contains("ssod is locked"), "{output}");
}
