//! The paths that users write in variables mean the same for ssod as for the AWS tools.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

use ssod_testkit::{Sandbox, TestUser, run};

#[test]
fn tilde_variables_and_relative_paths_are_resolved() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let folder = sandbox.home().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    for (index, written) in
        ["~/a/config", "$HOME/b/config", "${HOME}/c/config", "d/config"].into_iter().enumerate()
    {
        let profile = format!("profile{index}");
        let mut command = sandbox.ssod_command();
        command.current_dir(&folder).env("AWS_CONFIG_FILE", written);
        command.args([
            "configure",
            "--profile",
            &profile,
            "--session",
            "s",
            "--start-url",
            &sandbox.fake().start_url(),
        ]);
        command.args(["--region", "us-east-1", "--account", "123456789012", "--role", "AdminRole"]);
        run(&mut command).succeeded();
        let expected = match written.strip_prefix("d/") {
            Some(_) => folder.join("d/config"),
            None => sandbox.home().join(&written[written.len() - "a/config".len()..]),
        };
        let text = fs::read_to_string(&expected).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert!(text.contains(&format!("[profile {profile}]")), "{written}: {text}");
    }
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["d"], "nothing else was created");
}

#[test]
fn a_daemon_that_a_command_starts_reads_the_same_files() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    fs::rename(sandbox.home().join(".aws"), sandbox.home().join("own")).unwrap();
    fs::rename(sandbox.home().join(".config/ssod/config.toml"), sandbox.home().join("settings.toml"))
        .unwrap();
    let mut command = sandbox.ssod_command();
    command.arg("status").env("AWS_CONFIG_FILE", "own/config").env("SSOD_CONFIG", "./settings.toml");
    let result = run(&mut command);
    assert!(result.stdout.contains("adminUser"), "{result:?}");
    assert_eq!(result.stderr, "", "the daemon and the client read the same file");
}

#[test]
fn a_socket_path_that_is_too_long_is_replaced_by_a_shorter_one() {
    let sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    let long = sandbox.home().join("r".repeat(100));
    DirBuilder::new().mode(0o700).create(&long).unwrap();
    let ssod = |arguments: &[&str]| {
        run(sandbox.ssod_command().args(arguments).env("XDG_RUNTIME_DIR", &long)).succeeded()
    };
    // The client starts the daemon and finds its socket.
    assert!(ssod(&["status"]).contains("adminUser"));
    let socket = sandbox.daemon().state_folder().join("run/control.sock");
    assert!(socket.exists() && fs::read_dir(&long).unwrap().next().is_none());
    assert_eq!(fs::metadata(socket.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let env = ssod(&["env", "adminUser", "--shell", "json"]);
    let token_file = sandbox.daemon().state_folder().join("run/tokens/profile-adminUser");
    assert!(env.contains(token_file.to_str().unwrap()) && token_file.exists(), "{env}");
}

#[test]
fn a_named_socket_path_that_is_too_long_is_an_error_with_the_remedy() {
    let sandbox = Sandbox::new();
    let long = sandbox.home().join("s".repeat(120));
    for mut command in [sandbox.ssod_command(), sandbox.daemon_command()] {
        let is_client = command.get_program().to_str().unwrap().ends_with("/ssod");
        command.args(is_client.then_some("status")).env("SSOD_SOCKET", &long);
        let error = run(&mut command).failed_with(1);
        let remedy = "the system allows only 107; set SSOD_SOCKET to a shorter path";
        assert!(error.contains(long.to_str().unwrap()) && error.contains(remedy), "{error}");
        assert_eq!(error.trim().lines().count(), 1, "{error}");
    }
}

#[test]
fn another_users_home_folder_is_an_error() {
    let sandbox = Sandbox::new();
    let error =
        run(sandbox.ssod_command().arg("status").env("AWS_CONFIG_FILE", "~bob/config")).failed_with(1);
    assert!(error.contains("AWS_CONFIG_FILE: ~bob/config names another user's home folder"), "{error}");
}
