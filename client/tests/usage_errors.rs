//! A wrong command line is reported as one sentence and one hint.

use std::process::Command;

fn error_of(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ssod")).args(arguments).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn a_usage_error_is_one_sentence_and_one_hint() {
    for (arguments, sentence, hint) in [
        (&["logn"][..], "Unrecognized subcommand 'logn'.", "Did you mean login or logout?"),
        (&["xyz"], "Unrecognized subcommand 'xyz'.", "See: ssod --help"),
        (&["service", "logs", "--folow"], "Unexpected argument '--folow' found.", "Did you mean --follow?"),
        (&["login", "--xyz"], "Unexpected argument '--xyz' found.", "See: ssod login --help"),
        (&["login", "a", "b"], "Unexpected argument 'b' found.", "Usage: ssod login [OPTIONS] [NAME]"),
        (
            &["exec", "adminUser", "aws"],
            "Unexpected argument 'aws' found.",
            "Usage: ssod exec [OPTIONS] [PROFILE] -- <COMMAND>...",
        ),
        (
            &["exec", "adminUser"],
            "The following required arguments were not provided: <COMMAND>...",
            "Usage: ssod exec <PROFILE> -- <COMMAND>...",
        ),
        (
            &["status", "--json", "--watch"],
            "The argument '--json' cannot be used with '--watch'.",
            "See: ssod status --help",
        ),
        (
            &["use", "--for", "soon"],
            "Invalid value 'soon' for '--for <DURATION>': write it like 15m, 90s or 1h30m.",
            "See: ssod use --help",
        ),
        (
            &["--no-input", "vault", "move", "xyz"],
            "Invalid value 'xyz' for '<KEY_STORE>' [possible values: secret-service, keyutils, keychain, file].",
            "See: ssod vault move --help",
        ),
    ] {
        assert_eq!(error_of(arguments), format!("error: {sentence}\nhint: {hint}\n"), "{arguments:?}");
    }
}

#[test]
fn without_a_command_the_help_is_shown() {
    for arguments in [&[][..], &["vault"], &["service"]] {
        assert!(error_of(arguments).contains("\nUsage: ssod"), "{arguments:?}");
    }
}
