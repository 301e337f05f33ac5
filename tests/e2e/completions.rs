//! A name from the config file makes no shell run a command when the user presses Tab (T34).

use std::fs;

use serde_json::json;
use ssod_testkit::{CommandOutput, Sandbox, programs, run};

use crate::clients::interop_file;

/// Profiles whose names a shell would interpret, and one that is inert.
const NAMES: [&str; 7] = [
    "zz$(touch X)",
    "zz`touch X`",
    "yy;touch X",
    "xx'$(touch X)",
    "ww$(touch X)\"",
    "zz two",
    "vvPlain-1/a@b",
];

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let mut config =
        format!("[sso-session s]\nsso_start_url = {}\nsso_region = us-east-1\n", sandbox.fake().start_url());
    for name in NAMES {
        config += &format!(
            "[profile {name}]\nssod_session = s\nssod_account_id = 123456789012\nssod_role_name = R\n"
        );
    }
    sandbox.write_aws_config(&config);
    sandbox.start_daemon();
    sandbox
}

/// How each shell is started without the user's files, and what it runs first.
const SHELLS: [(&str, &[&str], &str); 3] = [
    ("/bin/bash", &["--norc", "--noprofile", "-i"], "eval \"$(\"$SSOD\" completions bash)\""),
    (
        "/usr/bin/zsh",
        &["-f", "-i"],
        "autoload -U compinit; compinit -u -d \"$HOME/.zcompdump\"; eval \"$(\"$SSOD\" completions zsh)\"",
    ),
    ("/usr/bin/fish", &["--no-config", "-i"], "\"$SSOD\" completions fish | source"),
];

/// Types into the shell, each text when the one before it is shown.
fn type_into(
    sandbox: &Sandbox,
    shell: (&str, &[&str], &str),
    ssod: &str,
    steps: &[(&str, &str)],
) -> CommandOutput {
    let (program, arguments, setup) = shell;
    let mut all = vec![(String::new(), format!("{setup}; echo read''y\r"))];
    all.extend(steps.iter().map(|(shown, typed)| ((*shown).to_owned(), (*typed).to_owned())));
    let mut command = sandbox.command("/usr/bin/python3");
    command
        .arg(interop_file("terminal.py"))
        .arg(json!(all).to_string())
        .arg(program)
        .args(arguments)
        .env("SSOD", ssod)
        .env("PS1", "> ")
        .current_dir(sandbox.home());
    run(&mut command)
}

/// Clears the line that was completed, and ends the shell.
const LEAVE: &str = "\u{15}exit\r";

#[test]
fn tab_runs_no_profiles_name() {
    let sandbox = sandbox();
    let ssod = programs().join("ssod").display().to_string();
    let created = sandbox.home().join("X");
    for shell in SHELLS {
        // The name is completed in a quoted form, and a second and third Tab do not run it either.
        for (typed, shown) in
            [("yy", r"yy\;"), ("xx", r"xx\'\$\("), ("ww", r"ww\$\("), ("vv", "vvPlain-1/a@b")]
        {
            let steps = [
                ("ready", &*format!("ssod exec {typed}\t")),
                (shown, "\t\t"),
                ("", " -- true\u{1}echo lin''e \u{5}\r"),
                ("line", LEAVE),
            ];
            let output = type_into(&sandbox, shell, &ssod, &steps);
            assert!(!created.exists(), "{shell:?}: Tab after {typed} ran a command: {}", output.stdout);
            assert!(output.status == 0 || output.status == 1, "{shell:?} {typed}: {}", output.stdout);
        }
        // With several candidates, the shell lists them, or inserts one after the other.
        let steps = [
            ("ready", "ssod exec zz\t"),
            ("zz", "\t"),
            ("", "\t"),
            ("", "\t"),
            ("", "\u{15}echo fin''ish\r"),
            ("finish", LEAVE),
        ];
        let output = type_into(&sandbox, shell, &ssod, &steps);
        assert!(!created.exists(), "{shell:?}: Tab ran a command: {}", output.stdout);
        assert_eq!(output.status, 0, "{shell:?}: {}", output.stdout);
    }
}

#[test]
fn the_programs_path_may_have_spaces_quotes_and_commands() {
    let sandbox = sandbox();
    for folder in ["my programs", "it's $(touch X) `touch X`", "a\"b\\c", "plain"] {
        let folder = sandbox.home().join(folder);
        fs::create_dir(&folder).unwrap();
        let ssod = folder.join("ssod");
        fs::copy(programs().join("ssod"), &ssod).unwrap();
        for shell in SHELLS {
            let steps = [("ready", "ssod exec vv\t"), ("vvPlain-1/a@b", LEAVE)];
            let output = type_into(&sandbox, shell, ssod.to_str().unwrap(), &steps);
            assert!(!sandbox.home().join("X").exists(), "{shell:?} {}: {}", ssod.display(), output.stdout);
            assert!(
                output.stdout.contains("vvPlain-1/a@b"),
                "{shell:?} {}: {}",
                ssod.display(),
                output.stdout
            );
        }
    }
}
