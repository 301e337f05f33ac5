use insta::assert_debug_snapshot;

use super::*;

fn read(text: &str) -> Configuration {
    resolve(&Document::parse(text).expect("a readable file"), &EndpointVariables::default())
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

#[test]
fn endpoints_come_from_variables_then_services_then_the_profile() {
    let text = "\
[sso-session s]
sso_start_url = https://x.awsapps.com/start
sso_region = us-east-1
[services fake]
sso =
  endpoint_url = http://127.0.0.1:1
[profile a]
services = fake
endpoint_url = http://127.0.0.1:2
sso_session = s
sso_account_id = 123456789012
sso_role_name = R
";
    let endpoints = |variables: &EndpointVariables| {
        let read = resolve(&Document::parse(text).unwrap(), variables);
        read.sessions.values().next().map(|session| session.endpoints.clone()).unwrap()
    };
    let from_file = endpoints(&EndpointVariables::default());
    assert_eq!(from_file.portal.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(from_file.oidc.as_deref(), Some("http://127.0.0.1:2"));
    let overriding =
        EndpointVariables { portal: Some("http://127.0.0.1:3".into()), ..EndpointVariables::default() };
    assert_eq!(endpoints(&overriding).portal.as_deref(), Some("http://127.0.0.1:3"));
    let ignoring = EndpointVariables { ignore_configured: true, ..EndpointVariables::default() };
    assert_eq!(endpoints(&ignoring), Endpoints::default());
}

proptest::proptest! {
    #[test]
    fn resolving_never_panics(text in "(\\[(profile|sso-session|services) [a-c]\\]\n|(sso_session|sso_region|sso_start_url|ssod_role_name|sso_account_id) ?= ?[a-z0-9#: /.\"-]{0,20}\n){0,12}") {
        if let Ok(document) = Document::parse(&text) {
            resolve(&document, &EndpointVariables::default());
        }
    }
}
