//! Answers that only look like AWS's: proxies, captive portals and gateways answer in AWS's place.

use std::time::{Duration, Instant};

use serde_json::Value;
use ssod_control::{SessionState, Trouble};
use ssod_testkit::{
    ACCOUNT, FakeOptions, Replacement, Sandbox, TestUser, python_environment, run, wait_until,
};

const OTHER_ACCOUNT: &str = "000000000001";

fn answer(status: u16, content_type: &str, body: &str) -> Replacement {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Replacement { status, headers, body: body.to_owned() }
}

fn page(status: u16) -> Replacement {
    answer(status, "text/html; charset=utf-8", "<html>sign in to the network</html>")
}

#[test]
fn an_answer_without_an_errors_name_does_not_end_a_sign_in() {
    let mut sandbox = Sandbox::with_lifetime("8s");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    let renewals = || sandbox.fake().log().into_iter().filter(|call| call.detail == "refresh_token").count();
    for unnamed in [
        answer(401, "application/json", r#"{"message":"Unauthorized"}"#),
        answer(400, "application/json", r#"{"message":"InvalidGrantException"}"#),
        answer(200, "text/html", "<html>welcome</html>"),
        answer(200, "application/json", r#"{"expiresIn":3600}"#),
    ] {
        let (before, replaced) = (renewals(), replaced_calls(&sandbox));
        sandbox.fake().replace_answers("CreateToken", 2, &unnamed);
        wait_until("both answers arrived", || replaced_calls(&sandbox) == replaced + 2);
        wait_until("the sign-in is renewed", || renewals() > before);
        assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active, "{unnamed:?}");
    }
    wait_until("credentials are served", || sandbox.daemon().credentials("adminUser").status == 200);
}

fn replaced_calls(sandbox: &Sandbox) -> usize {
    sandbox.fake().log().into_iter().filter(|call| call.detail == "replaced").count()
}

#[test]
fn a_page_blocks_no_profile_and_status_says_what_arrived() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    // A sign-in fetches the credentials of the profile that it names.
    sandbox.fake().replace_answers("GetRoleCredentials", 1_000, &page(403));
    sandbox.login(TestUser::ADMIN).succeeded();
    let refusal = sandbox.daemon().credentials("adminUser");
    assert_eq!(
        (refusal.status, &refusal.json()["code"]),
        (503, &Value::from("Unavailable")),
        "{}",
        refusal.body
    );
    assert!(refusal.body.contains("an answer that is not AWS's: 403 text/html"), "{}", refusal.body);
    let error = sandbox.ssod(&["credential-process", "adminUser"]).failed_with(1);
    assert!(error.contains("403 text/html") && !error.contains("no access"), "{error}");
    let shown = sandbox.ssod(&["status"]).succeeded();
    // In the sandbox, the endpoint is overridden, which the reason says, too.
    let reason = format!(
        "an answer that is not AWS's: 403 text/html (the endpoint is overridden: {}); next try in",
        sandbox.fake().url()
    );
    assert!(shown.contains(&reason), "{shown}");
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
    sandbox.fake().clear_faults();
    wait_until("credentials are served", || sandbox.daemon().credentials("adminUser").status == 200);
}

#[test]
fn after_any_page_the_next_try_comes_soon() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let config = std::fs::read_to_string(sandbox.aws_config()).unwrap();
    let redirect = |status| {
        let mut redirect = page(status);
        redirect.headers.push(("location".to_owned(), "https://login.hotel.example/".to_owned()));
        redirect.headers.push(("retry-after".to_owned(), "3".to_owned()));
        redirect
    };
    let mut pages = vec![redirect(307), redirect(302)];
    pages.extend([400, 403, 404, 413, 418, 421].map(page));
    // The first has a name, but not one of the portal's.
    pages.push(answer(401, "application/json", r#"{"__type":"InvalidGrantException"}"#));
    pages.push(answer(403, "application/json", r#"{"message":"No access"}"#));
    // Each page is the first answer of a profile of its own.
    let profile = |number: usize| format!("profile{number}");
    let blocks: String = (0..pages.len())
        .map(|number| {
            format!(
                "\n[profile {}]\nssod_session = {}\nssod_account_id = {ACCOUNT}\nssod_role_name = AdminRole\n",
                profile(number),
                TestUser::ADMIN.session
            )
        })
        .collect();
    sandbox.write_aws_config(&format!("{config}{blocks}"));
    let last = profile(pages.len() - 1);
    wait_until("the profiles are known", || sandbox.daemon().token_file(&last).exists());
    for (number, replacement) in pages.iter().enumerate() {
        sandbox.fake().replace_answers("GetRoleCredentials", 1, replacement);
        let refused = sandbox.daemon().credentials(&profile(number));
        assert_eq!(refused.status, 503, "{replacement:?}: {}", refused.body);
        assert!(refused.body.contains(&format!("not AWS's: {}", replacement.status)), "{}", refused.body);
        let trouble = sandbox.daemon().profile(&profile(number)).unwrap().trouble;
        assert!(
            matches!(trouble, None | Some(Trouble::Retrying { retry_in: 0..=4, .. })),
            "{replacement:?}: {trouble:?}"
        );
        let asked = Instant::now();
        wait_until("the next try succeeds", || sandbox.daemon().credentials(&profile(number)).status == 200);
        assert!(asked.elapsed() < Duration::from_secs(8), "{replacement:?}: {:?}", asked.elapsed());
    }
    assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active);
}

#[test]
fn a_page_in_the_middle_does_not_end_a_sign_in_that_the_user_has_approved() {
    let sandbox = Sandbox::configured(TestUser::ADMIN);
    sandbox.fake().replace_answers("CreateToken", 2, &page(403));
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox.fake().replace_answers("CreateToken", 1, &page(200));
    let by_code = sandbox.login_with("adminUser", &["--device-code"], |event| {
        sandbox.fake().approve(event, TestUser::ADMIN.name);
    });
    by_code.succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
}

/// A world with two accounts of alice. AWS knows neither name nor email address of one of them.
fn two_accounts() -> Sandbox {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("world.toml");
    std::fs::write(
        &world,
        format!(
            "[[user]]\nname = \"alice\"\n[[account]]\nid = \"{ACCOUNT}\"\nname = \"production\"\n\
             [[account]]\nid = \"{OTHER_ACCOUNT}\"\n[[permission_set]]\nname = \"AdminRole\"\n\
             [[assignment]]\nuser = \"alice\"\naccount = \"{ACCOUNT}\"\nrole = \"AdminRole\"\n\
             [[assignment]]\nuser = \"alice\"\naccount = \"{OTHER_ACCOUNT}\"\nrole = \"AdminRole\"\n"
        ),
    )
    .unwrap();
    let mut sandbox = Sandbox::with_fake(&FakeOptions::arguments(&["--world", world.to_str().unwrap()]));
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox
}

#[test]
fn null_members_are_read_as_absent() {
    let sandbox = two_accounts();
    let listed = sandbox.ssod(&["list"]).succeeded();
    assert!(listed.contains(OTHER_ACCOUNT) && listed.contains(ACCOUNT), "{listed}");
    for (operation, body) in [
        ("ListAccounts", r#"{"accountList":null,"nextToken":null}"#),
        ("ListAccountRoles", r#"{"roleList":null,"nextToken":null,"more":{}}"#),
    ] {
        sandbox.fake().replace_answers(operation, 1_000, &answer(200, "application/json", body));
        sandbox.ssod(&["list"]).succeeded();
        sandbox.fake().clear_faults();
    }
}

#[test]
fn an_account_whose_roles_cannot_be_listed_hides_no_other() {
    let sandbox = two_accounts();
    sandbox.fake().replace_answers_for("ListAccountRoles", OTHER_ACCOUNT, &page(403));
    let output = sandbox.ssod(&["list"]);
    assert!(output.stderr.contains("The roles in 1 account could not be listed."), "{}", output.stderr);
    let listed = output.succeeded();
    assert!(listed.contains("production") && listed.contains("AdminRole"), "{listed}");
    let reason = format!(
        "The roles in account {OTHER_ACCOUNT} cannot be listed: an answer that is not AWS's: 403 text/html \
         (the endpoint is overridden: {}).",
        sandbox.fake().url()
    );
    assert!(listed.contains(&reason), "{listed}");
    let listed: Value = serde_json::from_str(&sandbox.ssod(&["list", "--json"]).succeeded()).unwrap();
    let accounts = listed[0]["accounts"].as_array().unwrap();
    let by_id = |id: &str| accounts.iter().find(|account| account["id"] == id).unwrap();
    assert_eq!(by_id(ACCOUNT)["roles"][0], "AdminRole");
    assert_eq!(by_id(ACCOUNT)["error"], Value::Null);
    assert_eq!(by_id(OTHER_ACCOUNT)["error"]["message"], *reason);
    // Nothing at all is a failure.
    sandbox.fake().replace_answers_for("ListAccountRoles", ACCOUNT, &page(403));
    let error = sandbox.ssod(&["list"]).failed_with(1);
    assert!(error.contains("cannot be listed") && error.contains("hint:"), "{error}");
}

/// The table of partitions agrees with the one of botocore.
#[test]
fn every_region_that_botocore_knows_has_its_hosts() {
    let script = "import json, botocore, os\n\
        path = os.path.join(os.path.dirname(botocore.__file__), 'data', 'partitions.json')\n\
        for p in json.load(open(path))['partitions']:\n\
        \x20 for region in p['regions']:\n\
        \x20   print(p['id'], region, p['outputs']['dnsSuffix'], p['outputs']['dualStackDnsSuffix'])\n";
    let python = python_environment().join("bin/python");
    let known = run(std::process::Command::new(python).args(["-c", script])).succeeded();
    let mut compared = 0;
    for line in known.lines().filter(|line| !line.contains("-global ")) {
        let [name, region, suffix, dual_stack] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let region = ssod_model::Region::parse(region).unwrap();
        let partition = ssod_model::Partition::of(&region);
        assert_eq!(
            (partition.name, partition.suffix, partition.dual_stack_suffix),
            (name, suffix, dual_stack),
            "{region}"
        );
        compared += 1;
    }
    assert!(compared > 40, "{compared} regions");
}
