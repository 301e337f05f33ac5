//! Text from servers, files and the daemon cannot control the terminal (T33).

use std::fs::{self, DirBuilder};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;

use serde_json::{Value, json};
use ssod_fake_identity_center::Replacement;
use ssod_model::is_printable;
use ssod_testkit::{CommandOutput, Sandbox, TestUser, programs, run};

use crate::clients::interop_file;

/// Clears the screen, sets the title, an 8-bit CSI, reverses the direction, erases, begins another line.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}y\u{8}\r\u{2066}z";

/// The answers of a daemon whose every text is hostile. `TEXT` is replaced by the text.
fn answers() -> Value {
    let profile = json!({
        "name": "TEXT", "session": "TEXT", "account_id": "TEXT", "role_name": "TEXT", "region": "TEXT", "state": "blocked",
        "trouble": {"kind": "retrying", "reason": "TEXT", "retry_in": 3}, "used_ago": 3, "used_by": "TEXT", "aws_form": true,
    });
    let session = json!({
        "name": "TEXT", "state": "expired", "reason": "TEXT", "start_url": "TEXT", "region": "TEXT", "expires_at": "TEXT",
        "overrides": [{"service": "TEXT", "url": "TEXT", "source": "TEXT", "profiles": ["TEXT"]}],
    });
    let daemon = json!({
        "version": "TEXT", "pid": 7, "home": "TEXT", "port": 7746, "key_store": "TEXT", "config_file": "TEXT",
        "vault": {"state": "open", "reason": "TEXT", "hint": "TEXT"}, "overrides": [["AWS_ENDPOINT_URL_SSO", "TEXT"]],
        "problems": ["TEXT"],
    });
    let error = json!({"code": "TEXT", "message": "TEXT", "hint": "TEXT"});
    let account = json!({"id": "TEXT", "name": "TEXT", "email": "TEXT", "roles": ["TEXT"], "error": error});
    let still_valid = json!([{"profile": "TEXT", "until": "TEXT"}]);
    json!({
        "/v1/daemon": daemon,
        "/v1/status": {"daemon": daemon, "active": {"profile": "TEXT", "until": "TEXT", "then": "TEXT"},
                       "sessions": [session], "profiles": [profile]},
        "/v1/list": [{"session": "TEXT", "accounts": [account]}, {"session": "TEXT", "error": error}],
        "/v1/doctor": [{"group": "aws", "name": "TEXT", "state": "warning", "message": "TEXT", "hint": "TEXT"}],
        "/v1/use": {"profile": "TEXT", "until": "TEXT", "then": "TEXT"},
        "/v1/lock": {"lost": ["TEXT"]},
        "/v1/logout": {"sessions": [{"session": "TEXT", "was_signed_in": true, "still_valid": still_valid, "not_told": "TEXT"}]},
        "/v1/vault/rekey": {"key_store": "TEXT", "is_first": true},
        "/v1/access": {"session": "TEXT", "roles": [{"profile": "TEXT", "account_id": "TEXT", "role_name": "TEXT"}],
                       "account_count": 1, "examples": [{"account_id": "TEXT", "account_name": "TEXT", "role_name": "TEXT"}]},
        "/v1/credentials": {"Version": 1, "AccessKeyId": "TEXT", "SecretAccessKey": "TEXT", "SessionToken": "TEXT",
                            "Expiration": "TEXT", "AccountId": "TEXT"},
        "/v1/env": {"profile": "TEXT", "credentials_uri": "TEXT", "token": "TEXT", "token_file": "TEXT", "region": "TEXT"},
        "/v1/login": {"event": "device_code", "session": "TEXT", "url": "TEXT", "url_complete": "TEXT", "code": "TEXT",
                      "expires_in": 60, "start_url": "TEXT", "region": "TEXT"},
    })
}

fn replaced(answer: &Value, text: &str) -> Value {
    match answer {
        Value::String(old) if old == "TEXT" => Value::String(text.to_owned()),
        Value::Array(values) => values.iter().map(|value| replaced(value, text)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), replaced(value, text))).collect()
        }
        other => other.clone(),
    }
}

/// Listens where the client looks for its daemon, as this user.
fn start_hostile_daemon(sandbox: &Sandbox) {
    let path = sandbox.daemon().socket();
    DirBuilder::new().mode(0o700).create(path.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let answers = replaced(&answers(), HOSTILE);
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let length = connection.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, body) = match answers.get(&path) {
                Some(answer) => ("200 OK", answer.clone()),
                None => ("403 Forbidden", json!({"code": HOSTILE, "message": HOSTILE, "hint": HOSTILE})),
            };
            let mut lines = format!("{body}\n");
            if path == "/v1/login" {
                let failed = json!({"event": "failed", "code": HOSTILE, "message": HOSTILE, "hint": HOSTILE});
                lines += &format!("{failed}\n");
            }
            let _ = connection.write_all(format!("HTTP/1.0 {status}\r\n\r\n{lines}").as_bytes());
        }
    });
}

/// Fails if something in the text could control a terminal. `allowed` are the sequences that ssod itself writes there.
#[track_caller]
fn assert_clean(text: &str, allowed: &[&str], what: &str) {
    let text = allowed.iter().fold(text.to_owned(), |text, sequence| text.replace(sequence, ""));
    let bad = text.chars().find(|character| !is_printable(*character) && *character != '\n');
    assert!(bad.is_none(), "{what}: {bad:?} in {text:?}");
}

const COMMANDS: [&[&str]; 20] = [
    &["status"],
    &["status", "--json"],
    &["list"],
    &["list", "--json"],
    &["doctor"],
    &["doctor", "--json"],
    &["login", "adminUser", "--device-code", "--qr"],
    &["login", "adminUser", "--json", "--device-code"],
    &["use", "adminUser"],
    &["lock"],
    &["unlock"],
    &["logout"],
    &["vault", "rekey"],
    &["credential-process", "adminUser"],
    &["exec", "adminUser", "--", "true"],
    &["env", HOSTILE],
    &["audit"],
    &["audit", "--json"],
    &["service", "status"],
    &["no\u{1b}[2Jcommand\u{202e}"],
];

/// An audit log in which a program and a profile have hostile names.
fn write_audit_log(sandbox: &Sandbox) {
    let folder = sandbox.daemon().state_folder();
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    let line = json!({
        "at": HOSTILE, "outcome": "refused", "profile": HOSTILE, "via": "container", "uid": 1, "pid": 2, "program": HOSTILE,
        "path": HOSTILE, "reason": HOSTILE,
    });
    fs::write(folder.join("audit.jsonl"), format!("{line}\n")).unwrap();
}

#[test]
fn nothing_that_the_daemon_says_controls_the_terminal() {
    let sandbox = Sandbox::new();
    write_audit_log(&sandbox);
    start_hostile_daemon(&sandbox);
    for command in COMMANDS {
        let CommandOutput { stdout, stderr, .. } = sandbox.ssod(command);
        // Lines of JSON from a file are printed unchanged in a pipe.
        if command != ["audit", "--json"] && command[0] != "env" {
            let qr = ["\u{1b}[30;107m", "\u{1b}[0m"];
            assert_clean(&stdout, &[], &format!("stdout of {command:?}"));
            assert_clean(
                &stderr,
                if command.contains(&"--qr") { &qr } else { &[] },
                &format!("stderr of {command:?}"),
            );
        }
        if command.contains(&"--json") && command[0] != "audit" {
            let first =
                serde_json::Deserializer::from_str(&stdout).into_iter::<Value>().next().unwrap().unwrap();
            assert!(first.to_string().contains(&json!(HOSTILE).to_string()), "{command:?}: {first}");
        }
    }
}

#[test]
fn nothing_that_the_daemon_says_controls_a_real_terminal() {
    let sandbox = Sandbox::new();
    write_audit_log(&sandbox);
    start_hostile_daemon(&sandbox);
    let styles =
        ["\u{1b}[1m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[1;31m", "\u{1b}[30;107m", "\u{1b}[0m", "\r\n"];
    for command in COMMANDS {
        let mut terminal = sandbox.command("/usr/bin/python3");
        terminal.arg(interop_file("terminal.py")).arg("[]").arg(programs().join("ssod")).args(command);
        let output = run(&mut terminal).stdout;
        assert!(!output.trim().is_empty(), "{command:?} prints nothing");
        assert_clean(&output, &styles, &format!("{command:?}"));
    }
}

#[test]
fn questions_show_no_escapes() {
    let sandbox = Sandbox::new();
    start_hostile_daemon(&sandbox);
    let mut terminal = sandbox.command("/usr/bin/python3");
    let steps = json!([["Profile", "\u{3}"]]);
    terminal.arg(interop_file("terminal.py")).arg(steps.to_string()).arg(programs().join("ssod")).arg("use");
    let output = run(&mut terminal);
    // The question itself moves the cursor, but the name in it does not.
    assert_eq!(output.status, 130, "{output:?}");
    assert!(output.stdout.contains("x?[2J?]0;t??31m?y???z"), "{:?}", output.stdout);
    for part in ["\u{1b}[2J", "\u{1b}]0;", "\u{9b}", "\u{202e}", "\u{2066}"] {
        assert!(!output.stdout.contains(part), "{part:?} in {:?}", output.stdout);
    }
}

/// The whole way from Identity Center to the terminal: the address is shown as a browser understands it.
#[test]
fn the_address_of_a_device_code_is_shown_parsed() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    let page = format!("{}/device/{HOSTILE}", sandbox.fake().url());
    let body = json!({
        "deviceCode": "d", "userCode": HOSTILE, "verificationUri": page, "verificationUriComplete": format!("{page}?c={HOSTILE}"),
        "expiresIn": 2, "interval": 1,
    });
    let replacement = Replacement {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string(),
    };
    for arguments in
        [&["login", "adminUser", "--device-code"][..], &["login", "adminUser", "--device-code", "--json"]]
    {
        sandbox.fake().replace_answers("StartDeviceAuthorization", 1, &replacement);
        let output = sandbox.ssod(arguments);
        let shown = format!("{}{}", output.stdout, output.stderr);
        assert_clean(&shown, &[], &format!("{arguments:?}"));
        assert!(shown.contains("/device/x%1B[2J%1B]0;t%07%C2%9B31m%E2%80%AEy"), "{arguments:?}: {shown}");
    }
}
