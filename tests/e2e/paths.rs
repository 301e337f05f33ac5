//! The paths that users write in variables mean the same for ssod as for the AWS tools.

use std::fs;

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
fn another_users_home_folder_is_an_error() {
    let sandbox = Sandbox::new();
    let error =
        run(sandbox.ssod_command().arg("status").env("AWS_CONFIG_FILE", "~bob/config")).failed_with(1);
    assert!(error.contains("AWS_CONFIG_FILE: ~bob/config names another user's home folder"), "{error}");
}
