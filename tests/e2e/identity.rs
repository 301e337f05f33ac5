//! `ssod env NAME` and `ssod exec NAME` give NAME's identity or none, whatever the shell and the AWS files have.
//!
//! Each test has one real client and goes through everything that can come before ssod in an SDK's chain.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;
use ssod_testkit::{
    CommandOutput, Sandbox, SignedRequests, TestUser, node_modules, python_environment, run, rust_sdk_client,
};

use crate::clients::{EnvChanges, interop_file};

const USERS: [TestUser; 2] = [TestUser::ADMIN, TestUser::READ_ONLY];
const NAME: &str = "readOnlyUser";
/// The access key of each identity that is not readOnlyUser's, as far as it has a fixed one.
const OTHER_KEY: &str = "AKIAOTHEROTHEROTHER1";
const KEYS: &str = "aws_access_key_id = AKIAOTHEROTHEROTHER1\naws_secret_access_key = other\n";

/// Something that an SDK may find before ssod.
struct Rival {
    name: &'static str,
    /// What is added to the AWS config file.
    config: String,
    /// The credentials file.
    credentials: String,
    /// What the shell has before `ssod env`.
    variables: Vec<(&'static str, String)>,
}

fn rivals(sandbox: &Sandbox) -> Vec<Rival> {
    let home = sandbox.home().display();
    let sso =
        "sso_session = sso-session-adminUser\nsso_account_id = 123456789012\nsso_role_name = AdminRole\n";
    let ssod = sandbox.ssod_program();
    let in_config =
        |name, config: String| Rival { name, config, credentials: String::new(), variables: vec![] };
    let in_credentials = |name, credentials: String| Rival { credentials, ..in_config(name, String::new()) };
    let in_shell = |name, variables| Rival { variables, ..in_config(name, String::new()) };
    vec![
        in_config("nothing", String::new()),
        in_config("default with keys", format!("[default]\n{KEYS}")),
        in_config("profile default with keys", format!("[profile default]\n{KEYS}")),
        in_config("default with indented keys", format!("[default]\n  {}", KEYS.replace('\n', "\n  "))),
        in_config(
            "default with a role",
            format!(
                "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = keys\n[profile keys]\n{KEYS}"
            ),
        ),
        in_config("default in AWS's SSO form", format!("[default]\n{sso}")),
        in_config(
            "default in ssod's form",
            format!("[default]\ncredential_process = {ssod} credential-process adminUser\n"),
        ),
        in_config(
            "default with a process",
            format!("[default]\ncredential_process = {home}/other-process\n"),
        ),
        in_config(
            "default with a web identity",
            format!(
                "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = {home}/token\n"
            ),
        ),
        in_config(
            "default with a source of credentials",
            "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\ncredential_source = Environment\n"
                .to_owned(),
        ),
        in_config("a section that only Go reads", format!("[{NAME}]\n{KEYS}")),
        in_credentials("keys of default", format!("[default]\n{KEYS}")),
        in_credentials("keys of the same name", format!("[{NAME}]\n{KEYS}")),
        in_credentials("keys of both names", format!("[default]\n{KEYS}[{NAME}]\n{KEYS}")),
        in_credentials(
            "a process of the same name",
            format!("[{NAME}]\ncredential_process = {home}/other-process\n"),
        ),
        in_shell(
            "keys in the shell",
            vec![("AWS_ACCESS_KEY_ID", OTHER_KEY.to_owned()), ("AWS_SECRET_ACCESS_KEY", "other".to_owned())],
        ),
        in_shell(
            "old names of keys",
            vec![("AWS_ACCESS_KEY", OTHER_KEY.to_owned()), ("AWS_SECRET_KEY", "other".to_owned())],
        ),
        in_shell("a leftover profile", vec![("AWS_PROFILE", "adminUser".to_owned())]),
        in_shell("a leftover default profile", vec![("AWS_DEFAULT_PROFILE", "adminUser".to_owned())]),
        in_shell(
            "a web identity in the shell",
            vec![
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x".to_owned()),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", format!("{home}/token")),
            ],
        ),
        in_shell("a credential file of boto", vec![("BOTO_CONFIG", format!("{home}/boto"))]),
        in_shell("an old credential file", vec![("AWS_CREDENTIAL_FILE", format!("{home}/credential-file"))]),
    ]
}

/// A client that signs one request, or prints the access key with which it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signer {
    CliV1,
    CliV2,
    Boto3,
    JavaScript,
    Rust,
    /// rclone uses the first SDK for Go.
    Go,
}

impl Signer {
    fn command(self, sandbox: &Sandbox, url: &str) -> Command {
        let mut command = match self {
            Self::CliV1 | Self::CliV2 => {
                let program = if self == Self::CliV1 {
                    python_environment().join("bin/aws")
                } else {
                    "/usr/bin/aws".into()
                };
                let mut command = sandbox.command(program);
                command.args(["--endpoint-url", url, "sts", "get-caller-identity"]);
                command
            }
            Self::Boto3 => {
                let mut command = sandbox.command(python_environment().join("bin/python"));
                command.arg(interop_file("ec2.py")).args([url, "whoami"]);
                command
            }
            Self::JavaScript => {
                let mut command = sandbox.command("/usr/bin/node");
                command.env("NODE_PATH", node_modules()).arg(interop_file("javascript/whoami.cjs")).arg(url);
                command
            }
            Self::Rust => sandbox.command(rust_sdk_client()),
            Self::Go => {
                let mut command = sandbox.command("/usr/bin/rclone");
                let remote =
                    format!(":s3,provider=Other,env_auth=true,region=us-east-1,endpoint='{url}':bucket");
                command.args(["lsf", "--retries", "1", "--low-level-retries", "1", &remote]);
                command
            }
        };
        // Whatever a client calls besides, such as STS for a role, shows its identity, too.
        for service in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"] {
            command.env(service, url);
        }
        command
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_REGION", "us-east-1");
        command
    }

    /// Returns the access keys that the client used.
    fn access_keys(
        self,
        sandbox: &Sandbox,
        recorder: &SignedRequests,
        env: &EnvChanges,
    ) -> (Vec<String>, CommandOutput) {
        let mut command = self.command(sandbox, recorder.url());
        for (name, value) in env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let result = run(&mut command);
        let mut keys = recorder.take();
        keys.extend(result.stdout.lines().filter(|_| self == Self::Rust).map(str::to_owned));
        (keys, result)
    }
}

/// Returns a sandbox in which both users have signed in, and in which the AWS CLI's token of the administrator is
/// there, too.
fn signed_in() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.add_settings("[aws_cli]\nshare_access_token = true\n");
    for user in USERS {
        sandbox.configure(user);
    }
    sandbox.start_daemon();
    for user in USERS {
        sandbox.login(user).succeeded();
    }
    let write = |name: &str, text: &str| fs::write(sandbox.home().join(name), text).unwrap();
    let other = format!(r#"{{"Version":1,"AccessKeyId":"{OTHER_KEY}","SecretAccessKey":"other"}}"#);
    write("other-process", &format!("#!/bin/sh\necho '{other}'\n"));
    fs::set_permissions(sandbox.home().join("other-process"), fs::Permissions::from_mode(0o700)).unwrap();
    write("token", "token");
    write("boto", &format!("[Credentials]\n{KEYS}"));
    write("credential-file", &format!("AWSAccessKeyId={OTHER_KEY}\nAWSSecretKey=other\n"));
    sandbox
}

/// Returns the access key that ssod serves for the profile.
fn served_key(sandbox: &Sandbox) -> String {
    let credentials = sandbox.ssod(&["credential-process", NAME]).succeeded();
    let credentials: Value = serde_json::from_str(&credentials).unwrap();
    credentials["AccessKeyId"].as_str().unwrap().to_owned()
}

/// Goes through every rival, both forms of the profile, and both protocols. The client acts as the profile or not at
/// all.
fn assert_only_the_profile(signer: Signer) {
    let sandbox = signed_in();
    let recorder = SignedRequests::start();
    let ssod_form = fs::read_to_string(sandbox.aws_config()).unwrap();
    let aws_form = aws_form_of(&ssod_form);
    sandbox.ssod(&["use", NAME]).succeeded();
    let expected = served_key(&sandbox);
    let mut used = 0;
    for rival in rivals(&sandbox) {
        for (form, profiles) in [("ssod's form", &ssod_form), ("AWS's form", &aws_form)] {
            sandbox.write_aws_config(&format!("{profiles}\n{}", rival.config));
            fs::write(sandbox.home().join(".aws/credentials"), &rival.credentials).unwrap();
            sandbox.daemon().reload();
            for protocol in [None, Some("--imds")] {
                let what = format!("{signer:?}, {}, {form}, {protocol:?}", rival.name);
                let mut command = sandbox.ssod_command();
                command.args(["env", NAME, "--shell=json"]).args(protocol).envs(rival.variables.clone());
                let printed = run(&mut command);
                let set: serde_json::Map<String, Value> = serde_json::from_str(&printed.stdout).unwrap();
                if printed.status != 0 {
                    assert!(
                        printed.stderr.contains("AWS tools would use other credentials"),
                        "{what}: {printed:?}"
                    );
                    assert!(set.values().all(Value::is_null), "{what}: {set:?}");
                    continue;
                }
                let mut env: EnvChanges = rival
                    .variables
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), Some(value.clone())))
                    .collect();
                env.extend(set.iter().map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned))));
                let (keys, result) = signer.access_keys(&sandbox, &recorder, &env);
                assert!(keys.iter().all(|key| *key == expected), "{what}: signed with {keys:?}: {result:?}");
                if rival.name == "nothing" {
                    assert!(!keys.is_empty(), "{what}: no request was signed: {result:?}");
                }
                used += usize::from(!keys.is_empty());
            }
        }
    }
    assert!(used > 40, "{signer:?} used the profile only {used} times");
}

/// Returns the file with AWS's own keys in both profiles.
fn aws_form_of(ssod_form: &str) -> String {
    let lines = ssod_form.lines().filter(|line| !line.starts_with("credential_process"));
    lines.map(|line| format!("{}\n", line.replace("ssod_", "sso_"))).collect()
}

#[test]
fn the_aws_cli_v1_acts_as_the_profile_or_not_at_all() {
    assert_only_the_profile(Signer::CliV1);
}

#[test]
fn the_aws_cli_v2_acts_as_the_profile_or_not_at_all() {
    assert_only_the_profile(Signer::CliV2);
}

#[test]
fn boto3_acts_as_the_profile_or_not_at_all() {
    assert_only_the_profile(Signer::Boto3);
}

#[test]
fn the_sdk_for_javascript_acts_as_the_profile_or_not_at_all() {
    assert_only_the_profile(Signer::JavaScript);
}

#[test]
fn the_sdk_for_rust_acts_as_the_profile_or_not_at_all() {
    assert_only_the_profile(Signer::Rust);
}

#[test]
fn the_sdk_for_go_acts_as_the_profile_or_not_at_all() {
    assert_only_the_profile(Signer::Go);
}

#[test]
fn exec_refuses_before_it_asks_for_a_sign_in() {
    let sandbox = Sandbox::configured(TestUser::READ_ONLY);
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    sandbox.write_aws_config(&format!("{}\n[default]\n{KEYS}", aws_form_of(&config)));
    sandbox.daemon().reload();
    let error = sandbox.ssod(&["exec", NAME, "--", "touch", "ran"]).failed_with(1);
    let file = sandbox.aws_config();
    let line =
        fs::read_to_string(&file).unwrap().lines().position(|line| line.starts_with("aws_access")).unwrap();
    assert!(
        error.contains(&format!(
            "[default] has aws_access_key_id in line {} of {}",
            line + 1,
            file.display()
        )),
        "{error}"
    );
    assert!(
        error.contains("hint: Let AWS tools select readOnlyUser: ssod configure --convert readOnlyUser"),
        "{error}"
    );
    assert!(!sandbox.home().join("ran").exists());
    sandbox.ssod(&["configure", "--convert", NAME]).succeeded();
    let error = sandbox.ssod(&["exec", NAME, "--", "touch", "ran"]).failed_with(3);
    assert!(error.contains("ssod login readOnlyUser"), "{error}");
}

#[test]
fn doctor_names_what_comes_before_the_endpoint() {
    let sandbox = Sandbox::configured(TestUser::READ_ONLY);
    let config = fs::read_to_string(sandbox.aws_config()).unwrap();
    sandbox.write_aws_config(&format!("{config}\n[default]\nrole_arn = x\n"));
    let in_shell = |variables: &[(&str, &str)]| {
        let output = run(sandbox.ssod_command().arg("doctor").envs(variables.iter().copied()));
        (output.stdout, output.status)
    };
    let (text, _) = in_shell(&[]);
    assert!(
        text.contains("AWS tools without a profile do not use ssod, because [default] has role_arn in line"),
        "{text}"
    );
    let uri = format!("http://127.0.0.1:{}/credentials/{NAME}", sandbox.daemon().port());
    let (text, status) = in_shell(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)]);
    assert!(text.contains("because [default] has role_arn in line") && status == 1, "{text}");
    fs::write(sandbox.home().join(".aws/credentials"), format!("[{NAME}]\n{KEYS}")).unwrap();
    let (text, status) = in_shell(&[]);
    assert!(
        text.contains("do not use ssod for profile readOnlyUser, but aws_access_key_id in line 2 of"),
        "{text}"
    );
    assert_eq!(status, 1);
}
