//! Other users can change `config.toml`, which names a command that ssod runs, or the daemon (T26).

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ssod_testkit::{ChildProcess, Sandbox, TestUser, approve_browser, programs, run, wait_until};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_daemon_does_not_start_with_settings_that_others_can_change() {
    let sandbox = Sandbox::new();
    let folder = sandbox.home().join(".config/ssod");
    let file = folder.join("config.toml");
    let refusal = |what: &str| {
        // First the command that ends in any case.
        let ports = run(sandbox.daemon_command().arg("--print-ports")).failed_with(1);
        let error = run(&mut sandbox.daemon_command()).failed_with(1);
        assert!(error.contains(&format!("error: {} is not used, because {what}", file.display())), "{error}");
        assert_eq!(ports, error);
        let client = sandbox.ssod(&["status"]).failed_with(4);
        assert!(client.contains(what), "{client}");
        error
    };
    for mode in [0o666, 0o664, 0o646, 0o602] {
        set_mode(&file, mode);
        let error = refusal(&format!("other users can change {}", file.display()));
        assert!(error.contains(&format!("run: chmod go-w {}", file.display())), "{error}");
    }
    set_mode(&file, 0o644);
    set_mode(&folder, 0o777);
    let error = refusal(&format!("other users can replace the files in {} (mode 0777)", folder.display()));
    assert!(error.contains(&format!("run: chmod go-w {}", folder.display())), "{error}");
    set_mode(&folder, 0o755);
    set_mode(sandbox.home(), 0o1777);
    assert_eq!(
        sandbox.ssod(&["status"]).status,
        0,
        "in a folder with the sticky bit nothing can be replaced"
    );
    sandbox.ssod(&["service", "stop"]).succeeded();

    // A dotfile manager's link: every folder on the way to the file counts.
    let dotfiles = sandbox.home().join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    fs::rename(&file, dotfiles.join("ssod.toml")).unwrap();
    symlink(dotfiles.join("ssod.toml"), &file).unwrap();
    set_mode(&dotfiles, 0o775);
    refusal(&format!("other users can replace the files in {} (mode 0775)", dotfiles.display()));
    set_mode(&dotfiles, 0o755);
    assert_eq!(sandbox.ssod(&["status"]).status, 0);
}

#[test]
fn a_running_daemon_keeps_its_settings_until_the_file_is_the_users_own_again() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    let file = sandbox.home().join(".config/ssod/config.toml");
    let executed = sandbox.home().join("executed");
    // Another user adds a command.
    let text = fs::read_to_string(&file).unwrap();
    set_mode(&file, 0o666);
    fs::write(&file, format!("{text}[login]\nbrowser = \"touch {}\"\n", executed.display())).unwrap();
    let shown = |text: &str| sandbox.daemon().problems().iter().any(|problem| problem.contains(text));
    wait_until("the status shows it", || shown("other users can change") && shown("chmod go-w"));
    assert!(shown("keeps the settings that it has"));
    let mut login = sandbox.ssod_command();
    login.args(["login", "adminUser"]).env("DISPLAY", ":99");
    let error = run(&mut login).failed_with(1);
    assert!(error.contains("config.toml is not used, because other users can change"), "{error}");
    assert!(error.contains("hint: Read the file"), "{error}");
    assert!(!executed.exists(), "the command was run");
    assert!(sandbox.fake().log().is_empty(), "the sign-in began");
    // A sign-in that needs no command still works.
    sandbox.login(TestUser::ADMIN).succeeded();

    fs::write(&file, text).unwrap();
    set_mode(&file, 0o600);
    wait_until("the problem is gone", || sandbox.daemon().problems().is_empty());
}

#[test]
fn the_clients_own_settings_name_the_browser() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    // The settings of the client's shell, not those of the daemon.
    let (script, opened) = (sandbox.home().join("browser"), sandbox.home().join("opened"));
    fs::write(&script, format!("#!/bin/sh\necho \"$1\" > {0}.new && mv {0}.new {0}\n", opened.display()))
        .unwrap();
    set_mode(&script, 0o755);
    let settings = sandbox.home().join("own.toml");
    fs::write(&settings, format!("[login]\nbrowser = \"{}\"\n", script.display())).unwrap();
    let mut command = sandbox.ssod_command();
    let login = ChildProcess::start(
        command.args(["login", "adminUser"]).env("SSOD_CONFIG", &settings).env("DISPLAY", ":99"),
    );
    wait_until("the browser is opened", || opened.exists());
    let url = fs::read_to_string(&opened).unwrap();
    assert_eq!(approve_browser(url.trim(), "alice", true).status, 200);
    assert_eq!(login.wait(std::time::Duration::from_secs(30)), Some(0));
}

#[test]
fn a_daemon_in_path_that_others_can_change_is_not_started() {
    let sandbox = Sandbox::new();
    let (own, shared) = (sandbox.home().join("own"), sandbox.home().join("shared"));
    for folder in [&own, &shared] {
        fs::create_dir(folder).unwrap();
    }
    let (ssod, daemon, started) =
        (own.join("ssod"), shared.join("ssod-daemon"), sandbox.home().join("started"));
    fs::copy(programs().join("ssod"), &ssod).unwrap();
    fs::write(&daemon, format!("#!/bin/sh\n> {}\necho error: no >&2\nexit 1\n", started.display())).unwrap();
    let status = |path: &str| run(sandbox.command(&ssod).arg("status").env("PATH", path)).failed_with(4);
    let path = format!("/nonexistent:{}", shared.display());
    for (file, folder) in [(0o775, 0o755), (0o755, 0o777)] {
        set_mode(&daemon, file);
        set_mode(&shared, folder);
        let error = status(&path);
        assert!(error.contains("is in PATH, but ssod does not start it, because other users can"), "{error}");
        assert!(error.contains("run: chmod go-w "), "{error}");
    }
    set_mode(&shared, 0o755);
    // A relative entry of PATH depends on the current folder.
    let relative =
        run(sandbox.command(&ssod).arg("status").env("PATH", "shared").current_dir(sandbox.home()));
    assert!(relative.failed_with(4).contains("neither in the folder of ssod nor in PATH"));
    assert!(!started.exists(), "the program was started");
    assert!(
        status(&path).contains("ended at once: no"),
        "the program is not started even if only its owner can change it"
    );
    assert!(started.exists());
}
