//! Bob listens where alice's or root's client looks for its daemon (T26).

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use ssod_testkit::{ChildProcess, Sandbox, TestUser, run};
use tempfile::TempDir;

use super::{ALICE, BOB, python};

/// Listens on the socket and answers as a daemon would, with bob's credentials, bob's endpoint and bob's command for
/// the browser. Appends every byte that it receives to a file.
const LISTEN: &str = r#"
import json, os, socket, sys
folder, browser, received = sys.argv[1:4]
os.umask(0)
os.makedirs(folder, exist_ok=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(folder + "/control.sock")
listener.listen()
daemon = {"version": "0.1.0", "pid": 7, "port": 7746, "config_file": "", "vault": {"state": "open"}}
profile = {"name": "adminUser", "session": "s", "account_id": "123456789012", "role_name": "R", "state": "ready"}
session = {"name": "s", "state": "active", "start_url": "https://x.awsapps.com/start", "region": "us-east-1"}
answers = {
    "/v1/daemon": daemon,
    "/v1/status": {"daemon": daemon, "sessions": [session], "profiles": [profile]},
    "/v1/credentials": {"Version": 1, "AccessKeyId": "ASIABOB", "SecretAccessKey": "BOB", "SessionToken": "BOB",
                        "Expiration": "2030-01-01T00:00:00Z", "AccountId": "123456789012"},
    "/v1/check": {"profile": "adminUser", "session": "s"},
    "/v1/env": {"profile": "adminUser", "credentials_uri": "http://127.0.0.1:7746/BOB", "token": "BOB"},
    "/v1/login": {"event": "browser", "session": "s", "url": "https://x.awsapps.com/start",
                  "start_url": "https://x.awsapps.com/start", "browser": browser},
}
print("bound", flush=True)
while True:
    connection, _ = listener.accept()
    request = connection.recv(65536)
    with open(received, "ab") as file:
        file.write(request)
    path = request.split(b" ")[1].decode() if b" " in request else ""
    body = json.dumps(answers.get(path, {}))
    try:
        connection.sendall(f"HTTP/1.0 200 OK\r\n\r\n{body}\n".encode())
    except OSError:
        pass
    connection.close()
"#;

/// Bob's folder, which every user can enter and write to, and his listener.
struct Bob {
    folder: TempDir,
    /// The folder that bob offers as `XDG_RUNTIME_DIR`.
    runtime: PathBuf,
    _listener: ChildProcess,
}

impl Bob {
    fn listen() -> Self {
        let folder = bobs_folder();
        let runtime = folder.path().join("run");
        Self::listen_in(folder, runtime)
    }

    fn listen_in(folder: TempDir, runtime: PathBuf) -> Self {
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let browser = format!("touch {}", path(folder.path().join("executed")));
        let arguments = [path(runtime.join("ssod")), browser, path(folder.path().join("received"))];
        let listener =
            ChildProcess::start(&mut python(BOB, LISTEN, &arguments.each_ref().map(String::as_str)));
        assert_eq!(listener.next_line(), "bound");
        Self { folder, runtime, _listener: listener }
    }

    fn socket(&self) -> PathBuf {
        self.runtime.join("ssod/control.sock")
    }

    /// Fails if bob received a byte or made another user run his command.
    #[track_caller]
    fn got_nothing(&self, what: &str) {
        let received = fs::read(self.folder.path().join("received")).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&received), "", "{what}: bob received this");
        assert!(!self.folder.path().join("executed").exists(), "{what}: bob's command was run");
    }
}

fn bobs_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("bob-").tempdir().unwrap();
    chown(folder.path(), Some(BOB), Some(BOB)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

const COMMANDS: [&[&str]; 11] = [
    &["status"],
    &["login", "adminUser"],
    &["credential-process", "adminUser"],
    &["env", "adminUser", "--shell", "sh"],
    &["exec", "adminUser", "--", "env"],
    &["list"],
    &["use", "adminUser"],
    &["logout"],
    &["lock"],
    &["vault", "rekey"],
    &["service", "status"],
];

/// Runs every command with these variables, `None` for one that is removed. Each must fail with the error, and bob must
/// get nothing.
#[track_caller]
fn all_commands_refuse(bob: &Bob, sandbox: &Sandbox, variables: &[(&str, Option<&Path>)], error: &str) {
    for arguments in COMMANDS {
        let mut command = sandbox.ssod_command();
        command.args(arguments).env("DISPLAY", ":99").env("BROWSER", "/bin/false");
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = run(&mut command);
        let what = format!("{arguments:?} with {variables:?}");
        assert_eq!(output.status, 4, "{what}: {output:?}");
        assert!(output.stderr.contains(error), "{what}: {}", output.stderr);
        assert!(output.stderr.contains("\nhint: "), "{what}: {}", output.stderr);
        assert!(!output.stdout.contains("BOB") && !output.stdout.contains('='), "{what}: {}", output.stdout);
        bob.got_nothing(&what);
    }
}

fn sandboxes() -> [Sandbox; 2] {
    let sandboxes = [Sandbox::of_user(ALICE), Sandbox::new()];
    for sandbox in &sandboxes {
        sandbox.configure(TestUser::ADMIN);
    }
    sandboxes
}

#[test]
fn neither_alice_nor_root_uses_bobs_socket() {
    let bob = Bob::listen();
    let (runtime, socket) = (bob.runtime.clone(), bob.socket());
    for sandbox in sandboxes() {
        let by_folder = [("XDG_RUNTIME_DIR", Some(runtime.as_path()))];
        all_commands_refuse(&bob, &sandbox, &by_folder, &format!("belongs to user {BOB}"));
        let by_socket = [("SSOD_SOCKET", Some(socket.as_path()))];
        all_commands_refuse(&bob, &sandbox, &by_socket, &format!("it belongs to user {BOB}, not to you"));
    }
}

/// As after a mistake with modes: bob could enter the folder once, and still listens in it.
#[test]
fn bobs_listener_in_a_private_folder_of_alice_is_recognized() {
    for (sandbox, owner) in sandboxes().into_iter().zip([ALICE, 0]) {
        let bob = Bob::listen();
        let socket = bob.socket();
        chown(socket.parent().unwrap(), Some(owner), Some(owner)).unwrap();
        fs::set_permissions(socket.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        let variables = [("SSOD_SOCKET", Some(socket.as_path()))];
        all_commands_refuse(&bob, &sandbox, &variables, &format!("user {BOB} listens on it"));
    }
}

#[test]
fn a_folder_that_others_can_enter_is_not_used_even_if_alice_owns_it() {
    let [sandbox, _] = sandboxes();
    let bob = Bob::listen();
    let socket = bob.socket();
    chown(socket.parent().unwrap(), Some(ALICE), Some(ALICE)).unwrap();
    let variables = [("SSOD_SOCKET", Some(socket.as_path()))];
    all_commands_refuse(&bob, &sandbox, &variables, "other users have access to it (mode 0777)");
    let remedy = format!("chmod 700 {}", socket.parent().unwrap().display());
    all_commands_refuse(&bob, &sandbox, &variables, &remedy);
    // A daemon does not listen there either.
    let mut daemon = sandbox.daemon_command();
    let error = run(daemon.env("SSOD_SOCKET", &socket)).failed_with(1);
    assert!(error.contains("other users have access to it (mode 0777). Set SSOD_SOCKET"), "{error}");
}

/// Without `XDG_RUNTIME_DIR`, the client also looks in `/run/user/UID`.
#[test]
fn a_guessed_runtime_folder_is_checked_like_a_named_one() {
    struct Removed(PathBuf);
    impl Drop for Removed {
        fn drop(&mut self) {
            let _ = fs::remove_file(self.0.join("ssod/control.sock"));
            let _ = fs::remove_dir(self.0.join("ssod"));
            // Fails if the folder was there before and is not empty.
            let _ = fs::remove_dir(&self.0);
        }
    }
    let [sandbox, _] = sandboxes();
    let guessed = Removed(PathBuf::from(format!("/run/user/{ALICE}")));
    fs::create_dir_all(&guessed.0).unwrap();
    chown(&guessed.0, Some(BOB), Some(BOB)).unwrap();
    let bob = Bob::listen_in(bobs_folder(), guessed.0.clone());
    all_commands_refuse(&bob, &sandbox, &[("XDG_RUNTIME_DIR", None)], "The control socket /run/user/");
}
