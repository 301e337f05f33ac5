use insta::assert_debug_snapshot;

use super::*;

fn read(text: &str) -> Configuration {
    resolve(&Document::parse(text), &EndpointVariables::default())
}

fn problems(text: &str) -> Vec<String> {
    read(text).problems.iter().map(ToString::to_string).collect()
}

const BOTH_FORMS: &str = "\
[sso-session work]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access, codewhisperer:completions

[profile adminUser]
credential_process = /usr/bin/ssod credential-process adminUser
ssod_session = work
ssod_account_id = 123456789012
ssod_role_name = AdminRole
region = eu-west-1

[profile aws-form]
sso_session = work
sso_account_id = 123456789012
sso_role_name = ReadOnlyRole

[profile legacy]
sso_start_url = https://old.awsapps.com/start
sso_region = eu-central-1
sso_account_id = 000000000001
sso_role_name = Old

[profile keys-only]
aws_access_key_id = AKIA
";

#[test]
fn reads_every_form_of_profile() {
    let read = read(BOTH_FORMS);
    assert_eq!(read.problems, []);
    let facts: Vec<String> = read
        .profiles
        .values()
        .map(|p| {
            format!(
                "{} {} {} {} {:?} aws={}",
                p.name, p.session, p.account_id, p.role_name, p.region, p.aws_form
            )
        })
        .collect();
    assert_debug_snapshot!(facts, @r#"
    [
        "adminUser work 123456789012 AdminRole Some(\"eu-west-1\") aws=false",
        "aws-form work 123456789012 ReadOnlyRole None aws=true",
        "legacy https://old.awsapps.com/start 000000000001 Old None aws=true",
    ]
    "#);
    let work = &read.sessions[&SessionName::parse("work").unwrap()];
    assert_eq!(work.scopes, ["sso:account:access", "codewhisperer:completions"]);
    assert_eq!(read.sessions.len(), 2);
}

#[test]
fn both_spellings_of_the_default_profile_are_the_same_profile() {
    let session = "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n";
    for header in ["[default]", "[profile default]"] {
        let text =
            format!("{session}{header}\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = R\n");
        assert!(read(&text).profiles.contains_key(&ProfileName::parse("default").unwrap()), "{header}");
    }
}

#[test]
fn reports_what_the_aws_cli_reads_differently_with_its_line() {
    assert_debug_snapshot!(problems("\
[sso-session s]
sso_start_url = https://x.awsapps.com/start
sso_region = us-east-1 # home
[profile a]
region = \"us-east-1\"
sso_session = s
sso_account_id = 123456789012
sso_role_name = R
[profile a]
sso_role_name = R2
[default]
[profile default]
"), @r##"
    [
        "line 3: the AWS CLI reads \"# home\" as part of sso_region's value; put the comment on a line of its own",
        "line 5: the AWS tools read the quotes around region's value as part of it; remove them",
        "line 5: \"\\\"us-east-1\\\"\" is not an AWS region such as us-east-1",
        "line 9: a second [profile a]: the AWS CLI refuses the whole file. Merge the two",
        "line 10: a second sso_role_name in this section: the AWS CLI refuses the whole file",
        "line 12: [default] and [profile default] are both in the file; the AWS CLI uses only the later one. Keep one",
    ]
    "##);
}

#[test]
fn a_duplicate_profile_is_not_mistaken_for_a_second_default() {
    assert_eq!(
        problems("[default]\n[profile a]\n[profile a]\n"),
        ["line 3: a second [profile a]: the AWS CLI refuses the whole file. Merge the two"]
    );
}

#[test]
fn a_wrong_part_is_left_out_and_reported_while_the_rest_is_used() {
    let text = "\
[sso-session half]
sso_region = us-east-1
[sso-session hostile]
sso_start_url = http://evil.test/start
sso_region = us-east-1
[sso-session s]
sso_start_url = https://x.awsapps.com/start
sso_region = us-east-1
[profile nowhere]
sso_session = gone
sso_account_id = 123456789012
sso_role_name = R
[profile short]
ssod_session = s
ssod_account_id = 12345
ssod_role_name = R
[profile no-role]
sso_session = s
sso_account_id = 123456789012
[profile both]
sso_session = s
sso_start_url = https://x.awsapps.com/start
sso_account_id = 123456789012
sso_role_name = R
";
    assert_debug_snapshot!(problems(text), @r#"
    [
        "line 1: [sso-session half] needs both sso_start_url and sso_region",
        "line 4: \"http://evil.test/start\" is not a start URL such as https://d-1234567890.awsapps.com/start",
        "line 10: profile nowhere: there is no complete [sso-session gone] in the file",
        "line 15: \"12345\" is not a 12-digit AWS account id",
        "line 17: profile no-role needs both sso_account_id and sso_role_name",
        "line 22: profile both has both sso_session and sso_start_url, which some SDKs refuse; remove sso_start_url and sso_region",
    ]
    "#);
    assert_eq!(read(text).profiles.keys().map(ProfileName::as_str).collect::<Vec<_>>(), ["both"]);
}

const SESSION: &str =
    "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n";
const SERVICES: &str = "[services fake]\nsso =\n  endpoint_url = http://127.0.0.1:1\nsso_oidc =\n  endpoint_url = http://127.0.0.1:2\n[services other]\nsso =\n  endpoint_url = http://127.0.0.1:3\n";

fn in_aws_form(name: &str, more: &str) -> String {
    format!("[profile {name}]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = R\n{more}")
}

/// Returns the session's portal and sign-in, and each profile's own portal.
fn endpoints(
    text: &str,
    variables: &EndpointVariables,
) -> (Option<String>, Option<String>, Vec<Option<String>>) {
    let read = resolve(&Document::parse(text), variables);
    let session = read.sessions.values().next().unwrap().endpoints.clone();
    let own = read.profiles.values().map(|profile| profile.endpoints.clone().and_then(|own| own.portal));
    (session.portal, session.oidc, own.collect())
}

#[test]
fn a_services_section_changes_the_session_only_if_every_profile_names_it() {
    let url = |port: u16| Some(format!("http://127.0.0.1:{port}"));
    let with = |first: &str, second: &str| {
        format!("{SESSION}{SERVICES}{}{}", in_aws_form("a", first), in_aws_form("b", second))
    };
    let (fake, other) = ("services = fake\n", "services = other\n");
    let none = EndpointVariables::default();
    for (text, expected) in [
        (with("", ""), (None, None, vec![None, None])),
        (with(fake, fake), (url(1), url(2), vec![None, None])),
        (with(fake, ""), (None, None, vec![url(1), None])),
        (with("", fake), (None, None, vec![None, url(1)])),
        (with(fake, other), (None, None, vec![url(1), url(3)])),
        (with(fake, "services = none\n"), (None, None, vec![url(1), None])),
        (
            with(fake, "services = fake\nignore_configured_endpoint_urls = true\n"),
            (None, None, vec![url(1), None]),
        ),
        // A bare endpoint_url is meant for other services.
        (with("endpoint_url = http://127.0.0.1:9\n", ""), (None, None, vec![None, None])),
    ] {
        assert_eq!(endpoints(&text, &none), expected, "{text}");
    }
    let ignoring = EndpointVariables { ignore_configured: true, ..EndpointVariables::default() };
    assert_eq!(endpoints(&with(fake, fake), &ignoring), (None, None, vec![None, None]));
    let variables = EndpointVariables { portal: url(7), oidc: url(8), ..EndpointVariables::default() };
    assert_eq!(endpoints(&with(fake, ""), &variables), (url(7), url(8), vec![None, None]));
}

#[test]
fn fips_hosts_are_the_sessions_only_if_every_profile_wants_them() {
    let fips = "use_fips_endpoint = true\n";
    let read =
        |second: &str| read(&format!("{SESSION}{}{}", in_aws_form("a", fips), in_aws_form("b", second)));
    let some = read("");
    assert!(!some.sessions.values().next().unwrap().endpoints.fips);
    let own: Vec<_> =
        some.profiles.values().map(|profile| profile.endpoints.as_ref().map(|own| own.fips)).collect();
    assert_eq!(own, [Some(true), None]);
    assert!(read(fips).sessions.values().next().unwrap().endpoints.fips);
}

#[test]
fn legacy_profiles_of_one_portal_share_a_session() {
    let legacy = |name: &str, url: &str, region: &str| {
        format!(
            "[profile {name}]\nsso_start_url = {url}\nsso_region = {region}\nsso_account_id = 123456789012\nsso_role_name = R\n"
        )
    };
    let text = [
        legacy("a", "https://x.awsapps.com/start/#/", "us-east-1"),
        legacy("b", "https://x.awsapps.com/start", "us-east-1"),
        legacy("c", "https://x.awsapps.com/start/", "us-east-1"),
        legacy("d", "https://y.awsapps.com/start", "us-east-1"),
        legacy("e", "https://x.awsapps.com/start/#", "eu-west-1"),
    ]
    .concat();
    let read = read(&text);
    let sessions: Vec<_> = read.profiles.values().map(|profile| profile.session.as_str()).collect();
    // The AWS CLI's token has the name of the start URL as it is written.
    let (x, y) = ("https://x.awsapps.com/start/#/", "https://y.awsapps.com/start");
    assert_eq!(sessions, [x, x, x, y, x]);
    assert_eq!(read.sessions.len(), 2);
    let problems: Vec<_> = read.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "line 23: profile e: another profile has the same start URL with sso_region us-east-1, which ssod uses; correct one of them"
        ]
    );
}

#[test]
fn the_source_of_a_chained_profile_is_the_profile_that_signs_in() {
    let chained =
        |name: &str, source: &str| format!("[profile {name}]\nrole_arn = arn\nsource_profile = {source}\n");
    let text = [
        SESSION.to_owned(),
        in_aws_form("base", ""),
        chained("one", "base"),
        chained("two", "one"),
        chained("loop", "loop"),
        chained("lost", "nowhere"),
    ]
    .concat();
    let read = read(&text);
    let source = |name: &str| read.source_of(name).map(ProfileName::as_str);
    assert_eq!((source("one"), source("two")), (Some("base"), Some("base")));
    assert_eq!((source("base"), source("loop"), source("lost")), (None, None, None));
}

#[test]
fn a_file_that_the_aws_cli_reads_is_read() {
    let indented = format!("{SESSION}{}", in_aws_form("a", "")).replace("\nsso_", "\n    sso_");
    assert_eq!(problems(&indented).len(), 1, "{:?}", problems(&indented));
    assert!(problems(&indented)[0].starts_with("line 2: sso_start_url is indented"));
    assert_eq!(read(&indented).profiles.len(), 1);
    let colons = format!("{SESSION}{}", in_aws_form("a", "")).replace(" = ", ": ");
    assert_eq!(read(&colons).profiles.len(), 1);
    assert!(problems(&colons)[0].contains("write sso_start_url = VALUE"), "{:?}", problems(&colons));
    let brackets = format!("{SESSION}{}", in_aws_form("a-[b]/c", ""));
    assert_eq!(problems(&brackets), [""; 0]);
    assert_eq!(read(&brackets).profiles.keys().next().unwrap().as_str(), "a-[b]/c");
    let mark = format!("\u{feff}{SESSION}{}", in_aws_form("a", ""));
    assert_eq!(read(&mark).profiles.len(), 1);
    assert!(problems(&mark)[0].starts_with("line 1: the file begins with a byte-order mark"));
}

#[test]
fn lines_of_other_tools_cost_nothing_but_a_problem() {
    let ours = format!("{SESSION}{}", in_aws_form("a", ""));
    for (foreign, expected) in [
        ("[plugins]\ncli: tool\n", None),
        ("[tool]\nonly-this-tool-reads-it\n", Some("line 2: expected KEY = VALUE")),
        ("[tool]\n= x\n", Some("line 2: expected a key")),
        ("[tool\nkey = 1\n", Some("line 1: expected a closing ]")),
        ("key = 1\n", Some("line 1: expected a section")),
        ("[tool]\nkey = 1\nkey = 2\n", Some("line 3: a second key in this section")),
        ("[tool]\n[tool]\n", Some("line 2: a second [tool]")),
    ] {
        let text = format!("{foreign}{ours}");
        let problems = problems(&text);
        assert_eq!(read(&text).profiles.len(), 1, "{foreign}");
        match expected {
            Some(expected) => {
                assert!(problems.len() == 1 && problems[0].starts_with(expected), "{problems:?}");
            }
            None => assert_eq!(problems, [""; 0], "{foreign}"),
        }
    }
}

#[test]
fn keys_below_a_header_that_does_not_end_belong_to_no_profile() {
    let text = format!(
        "{SESSION}{}{}",
        in_aws_form("a", ""),
        in_aws_form("b", "").replace("[profile b]", "[profile b")
    );
    let text = text.replace("sso_role_name = R\n[profile b\n", "sso_role_name = A\n[profile b\n");
    let read = read(&text);
    let roles: Vec<_> = read.profiles.values().map(|profile| profile.role_name.as_str()).collect();
    assert_eq!(roles, ["A"]);
}

#[test]
fn of_two_spellings_of_one_profile_the_later_one_counts() {
    let text = format!(
        "{SESSION}{}[profile \"a\"]\nsso_session = s\nsso_account_id = 123456789012\n",
        in_aws_form("a", "")
    );
    // No user has a profile with the account of one section and the role of the other.
    assert_eq!(read(&text).profiles.len(), 0);
    assert!(
        problems(&text)[0].starts_with("line 8: [profile a] and [profile \"a\"] are both in the file"),
        "{:?}",
        problems(&text)
    );
}

#[test]
fn a_line_that_continues_a_setting_is_part_of_its_value() {
    let text = format!("{SESSION}    sso_registration_scopes = x\n{}", in_aws_form("a", ""));
    let problems = problems(&text);
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("line 4: this line is indented deeper than sso_region")),
        "{problems:?}"
    );
    assert_eq!(read(&text).sessions.len(), 0);
}

proptest::proptest! {
    #[test]
    fn resolving_never_panics(text in "(\\[(profile|sso-session|services) [a-c]\\]\n|(sso_session|sso_region|sso_start_url|ssod_role_name|sso_account_id) ?= ?[a-z0-9#: /.\"-]{0,20}\n){0,12}") {
        resolve(&Document::parse(&text), &EndpointVariables::default());
    }
}
