//! AWS config files of all shapes: what the AWS CLI reads, ssod reads, and no edit breaks it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use ssod_control::EndpointOverride;
use ssod_testkit::{
    ACCOUNT, Sandbox, TestUser, approve_browser, python_environment, run_with_input, wait_until,
};

/// Prints what botocore reads in each of the files that are listed on stdin: null if it refuses the file.
const LOAD_CONFIGS: &str = "
import json, sys
from botocore.configloader import load_config
from botocore.exceptions import ConfigParseError
def load(path):
    try:
        return load_config(path)
    except ConfigParseError:
        return None
print(json.dumps([load(path) for path in sys.stdin.read().splitlines()]))
";

/// Files that users of such tools have reported, and their relatives.
const FILES: [&str; 24] = [
    "",
    "[profile p]\n",
    "[profile p]",
    "[default]\n  region = x\n  output = json\n\n[profile p]\n  region = y\n  output = text\n",
    "[profile p]\n\tregion = y\n\toutput = text\n[profile other]\n\tregion = z\n",
    "[profile p]\n    sso_region = x\n    region = y\n[sso-session s]\n    sso_region = eu-west-1\n    sso_start_url = https://x/\n",
    "  [profile p]\n  region = y\n  [profile other]\n  region = z\n",
    "[profile p]\n  [profile other]\n  region = z\n",
    "[profile a-[b]/c]\nregion = x\n[profile p]\nregion = y\n",
    "[profile p] # mine\nregion = y\n[profile other] ; not mine\nregion = z\n",
    "[profile p] # see [the docs]\nregion = y\n",
    "[plugins]\ncli: tool\nother : x = y\n[profile p]\nregion: y\n",
    "[profile \"p\"]\nregion = y\n[profile 'q w']\nregion = z\n",
    "[profile p]\ns3 =\n  max = 1\n\n  # note\n  min = 2\nregion = x\n  more\n[profile other]\nregion = z\n",
    "[profile p]\r\nregion = y\r\ns3 =\r\n  max = 1\r\n[profile other]\r\nregion = z\r\n",
    "[profile p]\rregion = y\r[profile other]\rregion = z",
    "[DEFAULT]\noutput = json\n[profile p]\nregion = y\n[DEFAULT]\nother = x\n",
    "[profile p]\nREGION = y\nSso_Session = old\n[profile other]\nregion = z\n",
    "[default]\nregion = x\n[profile default]\nregion = y\n[profile p]\nregion = z\n",
    "[services x]\nsso =\n  endpoint_url = http://127.0.0.1:1\n[profile p]\nservices = x\n",
    // These are refused by botocore before and after.
    "[tool]\nonly-this-tool-reads-it\n[profile p]\nregion = y\n",
    "[profile p]\nregion = y\n[profile p]\noutput = json\n",
    "[tool\nkey = x\n[profile p]\nregion = y\n",
    "\u{feff}[profile p]\nregion = y\n",
];

fn configure_p(sandbox: &Sandbox) {
    let start_url = sandbox.fake().start_url();
    let flags = ["--profile", "p", "--session", "s", "--start-url", &start_url, "--region", "us-east-1"];
    let role = ["--account", ACCOUNT, "--role", "AdminRole", "--replace"];
    sandbox.ssod(&[&["configure"][..], &flags, &role].concat()).succeeded();
}

#[test]
fn botocore_reads_every_file_after_a_change_that_it_read_before() {
    let sandbox = Sandbox::new();
    let mut paths = Vec::new();
    for (number, text) in FILES.iter().enumerate() {
        sandbox.write_aws_config(text);
        configure_p(&sandbox);
        let (before, after) = (format!("before-{number}"), format!("after-{number}"));
        fs::write(sandbox.home().join(&before), text).unwrap();
        fs::copy(sandbox.aws_config(), sandbox.home().join(&after)).unwrap();
        paths.extend([before, after]);
        let changed = fs::read(sandbox.aws_config()).unwrap();
        configure_p(&sandbox);
        assert_eq!(fs::read(sandbox.aws_config()).unwrap(), changed, "a second run changes {text:?}");
    }
    let mut python = sandbox.command(python_environment().join("bin/python"));
    let loaded = run_with_input(python.args(["-c", LOAD_CONFIGS]), &paths.join("\n")).succeeded();
    let loaded: Vec<Value> = serde_json::from_str(&loaded).unwrap();
    assert_eq!(loaded.len(), 2 * FILES.len());
    let mut refused = 0;
    for (text, pair) in FILES.iter().zip(loaded.chunks(2)) {
        let (before, after) = (&pair[0], &pair[1]);
        if before.is_null() {
            refused += 1;
            continue;
        }
        assert!(!after.is_null(), "botocore does not read the file any more: {text:?}");
        let profile = &after["profiles"]["p"];
        assert_eq!(profile["ssod_session"], "s", "{text:?}: {after}");
        assert!(profile["sso_session"].is_null(), "{text:?}: {after}");
        assert_eq!(after["sso_sessions"]["s"]["sso_region"], "us-east-1", "{text:?}: {after}");
        assert_eq!(without(before), without(after), "{text:?}");
    }
    assert_eq!(refused, 4);
}

/// Returns the configuration without what `configure_p` writes.
fn without(loaded: &Value) -> Value {
    let mut loaded = loaded.clone();
    for (kind, name) in [("profiles", "p"), ("sso_sessions", "s")] {
        loaded[kind].as_object_mut().unwrap().remove(name);
    }
    loaded
}

/// Profiles in AWS's form, of one session.
fn aws_form(start_url: &str, names: &[String], more: &str) -> String {
    let session = format!("[sso-session s]\nsso_start_url = {start_url}\nsso_region = us-east-1\n");
    let profile = |name: &String| {
        format!(
            "[profile {name}]\nsso_session = s\nsso_account_id = {ACCOUNT}\nsso_role_name = AdminRole\n{more}"
        )
    };
    session + &names.iter().map(profile).collect::<String>()
}

#[test]
fn a_profile_whose_keys_are_indented_works() {
    let mut sandbox = Sandbox::new();
    let text =
        aws_form(&sandbox.fake().start_url(), &["adminUser".to_owned()], "").replace("\nsso_", "\n    sso_");
    sandbox.write_aws_config(&text);
    sandbox.start_daemon();
    sandbox.login(TestUser { session: "s", ..TestUser::ADMIN }).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    assert!(sandbox.ssod(&["status"]).stdout.contains("line 2: sso_start_url is indented"));
}

#[test]
fn lines_of_another_tool_and_a_byte_order_mark_are_reported_and_cost_no_profile() {
    let mut sandbox = Sandbox::new();
    let ours = aws_form(&sandbox.fake().start_url(), &["a".to_owned()], "");
    sandbox.write_aws_config(&format!("\u{feff}[tool]\nkey: x\nonly-this-tool-reads-it\n{ours}"));
    sandbox.start_daemon();
    assert!(sandbox.daemon().profile("a").is_some());
    let problems = sandbox.daemon().problems().join("\n");
    assert!(problems.contains("line 1: the file begins with a byte-order mark"), "{problems}");
    assert!(problems.contains("line 3: expected KEY = VALUE"), "{problems}");
}

#[test]
fn bytes_that_are_not_utf_8_are_reported_with_their_line() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    // The daemon may still be reading the file, and then it has no earlier state to keep.
    assert!(sandbox.daemon().profile("adminUser").is_some());
    let text = [&fs::read(sandbox.aws_config()).unwrap()[..], b"# caf\xe9\n"].concat();
    let line = text.trim_ascii_end().split(|byte| *byte == b'\n').count();
    fs::write(sandbox.aws_config(), &text).unwrap();
    let expected = format!("line {line} has bytes that are not UTF-8");
    wait_until("the daemon names the line", || sandbox.daemon().problems().join("\n").contains(&expected));
    assert!(sandbox.daemon().profile("adminUser").is_some(), "the last valid state is lost");
    let error = sandbox.ssod(&["configure", "--convert", "--all"]).failed_with(1);
    assert!(error.contains(&expected), "{error}");
    assert_eq!(fs::read(sandbox.aws_config()).unwrap(), text);
}

/// The variables of a daemon whose endpoints come from the AWS config file, and one that is meant for other services.
const NO_OVERRIDES: [(&str, &str); 3] = [
    ("AWS_ENDPOINT_URL_SSO", ""),
    ("AWS_ENDPOINT_URL_SSO_OIDC", ""),
    ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
];

fn services(url: &str) -> String {
    format!("[services fake]\nsso =\n  endpoint_url = {url}\nsso_oidc =\n  endpoint_url = {url}\n")
}

fn overrides(sandbox: &Sandbox) -> Vec<EndpointOverride> {
    sandbox.daemon().status().sessions.into_iter().flat_map(|session| session.overrides).collect()
}

#[test]
fn a_services_section_of_every_profile_and_nothing_else_redirects_a_sign_in() {
    let mut sandbox = Sandbox::new();
    let (fake, start_url) = (sandbox.fake().url().to_owned(), sandbox.fake().start_url());
    let names = ["adminUser".to_owned(), "second".to_owned()];
    // The bare endpoint_url is LocalStack's, for example.
    let more = "services = fake\nendpoint_url = http://127.0.0.1:9\n";
    sandbox.write_aws_config(&(aws_form(&start_url, &names, more) + &services(&fake)));
    sandbox.start_daemon_with(&NO_OVERRIDES);
    sandbox.login(TestUser { session: "s", ..TestUser::ADMIN }).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    let found: Vec<_> =
        overrides(&sandbox).into_iter().map(|one| (one.service, one.url, one.source)).collect();
    let section = "A [services] section".to_owned();
    assert_eq!(
        found,
        [("sso_oidc".into(), fake.clone(), section.clone()), ("sso".into(), fake.clone(), section)]
    );
    let status = sandbox.ssod(&["status"]).stdout;
    let note = format!("A [services] section sends all sign-ins and portal calls to {fake}, not to AWS.");
    assert!(status.contains(&note), "{status}");
}

#[test]
fn one_profile_redirects_no_other() {
    let mut sandbox = Sandbox::new();
    let with = aws_form("https://x.awsapps.com/start", &["a".to_owned()], "services = fake\n");
    let without = "[profile b]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = R\n";
    sandbox.write_aws_config(&(with.clone() + without + &services("http://127.0.0.1:9")));
    sandbox.start_daemon_with(&NO_OVERRIDES);
    let only_a = EndpointOverride {
        service: "sso".to_owned(),
        url: "http://127.0.0.1:9".to_owned(),
        source: "A [services] section".to_owned(),
        profiles: vec!["a".to_owned()],
    };
    assert_eq!(overrides(&sandbox), [only_a]);
    let status = sandbox.ssod(&["status"]).stdout;
    assert!(status.contains("sends the portal calls of profile a to http://127.0.0.1:9"), "{status}");
    // With a alone, the section also applies to the sign-in, and the error names the endpoint.
    sandbox.write_aws_config(&(with + &services("http://127.0.0.1:9")));
    wait_until("the sign-in is redirected", || overrides(&sandbox).len() == 2);
    let error = sandbox.login_with("a", &["--device-code"], |_| {}).failed_with(1);
    assert!(error.contains("(the endpoint is overridden: http://127.0.0.1:9)"), "{error}");
}

#[test]
fn many_profiles_in_awss_form_are_one_line_and_converted_at_once() {
    let mut sandbox = Sandbox::new();
    let names: Vec<String> = (0..300).map(|number| format!("p{number}")).collect();
    sandbox.write_aws_config(&aws_form(&sandbox.fake().start_url(), &names, ""));
    sandbox.start_daemon();
    let status = sandbox.ssod(&["status"]).stdout;
    assert_eq!(status.matches("bypasses ssod").count(), 1, "{status}");
    assert!(status.contains("300 profiles use AWS's own keys"), "{status}");
    assert_eq!(sandbox.ssod(&["doctor"]).stdout.matches("bypasses ssod").count(), 1);
    sandbox.ssod(&["configure", "--convert", "--all"]).succeeded();
    let status = sandbox.daemon().status();
    assert_eq!(status.profiles.iter().filter(|profile| !profile.aws_form).count(), 300);
    assert!(!sandbox.ssod(&["status"]).stdout.contains("bypasses ssod"));
}

#[test]
fn legacy_profiles_of_one_portal_share_a_sign_in() {
    let mut sandbox = Sandbox::new();
    let start_url = sandbox.fake().start_url();
    let legacy = |name: &str, end: &str| {
        format!(
            "[profile {name}]\nsso_start_url = {start_url}{end}\nsso_region = us-east-1\nsso_account_id = {ACCOUNT}\nsso_role_name = AdminRole\n"
        )
    };
    sandbox.write_aws_config(&[legacy("one", ""), legacy("two", "/#"), legacy("three", "/")].concat());
    sandbox.start_daemon();
    let login = sandbox.login_with("two", &[], |event| {
        approve_browser(event["url"].as_str().unwrap(), "alice", true);
    });
    login.succeeded();
    assert_eq!(sandbox.daemon().status().sessions.len(), 1);
    let answers: BTreeMap<_, _> =
        ["one", "two", "three"].map(|name| (name, sandbox.daemon().credentials(name).status)).into();
    assert!(answers.values().all(|status| *status == 200), "{answers:?}");
}

#[test]
fn the_sign_in_of_a_chained_profile_names_its_source() {
    let mut sandbox = Sandbox::new();
    let base = aws_form("https://x.awsapps.com/start", &["base".to_owned()], "");
    let chained = |name: &str, source: &str| {
        format!("[profile {name}]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/R\nsource_profile = {source}\n")
    };
    sandbox.write_aws_config(&[base, chained("one", "base"), chained("two", "one")].concat());
    sandbox.start_daemon();
    for name in ["one", "two"] {
        let error = sandbox.ssod(&["login", name]).failed_with(1);
        assert!(error.contains("Sign in to its source: ssod login base"), "{error}");
    }
}
