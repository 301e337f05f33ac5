//! Tests every protocol of ssod with every client.

use ssod_testkit::{Moto, Sandbox, TestUser, free_port, get_with, put_with};

use crate::clients::{AwsClient, EnvChanges, start_moto, with_profile, without_profile};

const USERS: [TestUser; 2] = [TestUser::ADMIN, TestUser::READ_ONLY];

/// Returns a sandbox in which both users have signed in, and whose credentials are valid at moto.
fn signed_in(moto: &Moto, settings: &str) -> Sandbox {
    let mut sandbox = Sandbox::with_fake(&moto.fake_options());
    sandbox.add_settings(settings);
    for user in USERS {
        sandbox.configure(user);
    }
    sandbox.start_daemon();
    for user in USERS {
        sandbox.login(user).succeeded();
    }
    sandbox
}

/// Checks that the client acts as the user: only the administrator may stop the instance.
fn assert_acts_as(
    user: TestUser,
    client: AwsClient,
    sandbox: &Sandbox,
    moto: &Moto,
    env: &EnvChanges,
    protocol: &str,
) {
    let identity = client.whoami(sandbox, moto, env).succeeded();
    assert!(
        identity.contains(&format!("assumed-role/{}/{}", user.role, user.name)),
        "{client:?} with {protocol}: {identity}"
    );
    let result = client.stop(sandbox, moto, env);
    if user == TestUser::ADMIN {
        result.succeeded();
    } else {
        assert!(result.stderr.contains("AccessDenied"), "{client:?} with {protocol}: {}", result.stderr);
    }
}

#[test]
fn container_credentials_and_credential_process_work_with_every_client() {
    let moto = start_moto();
    let sandbox = signed_in(&moto, "");
    for client in AwsClient::ALL {
        for user in USERS {
            let env = without_profile(sandbox.daemon().env(&[user.profile]));
            assert_acts_as(user, client, &sandbox, &moto, &env, "container credentials");
            let env = with_profile(user.profile);
            assert_acts_as(user, client, &sandbox, &moto, &env, "credential_process");
        }
    }
    sandbox.ssod(&["logout"]).succeeded();
    for client in AwsClient::ALL {
        let result = client.whoami(&sandbox, &moto, &with_profile("adminUser"));
        assert!(
            result.status != 0 && result.stderr.contains("ssod login adminUser"),
            "{client:?}: {}",
            result.stderr
        );
    }
}

#[test]
fn imds_works_with_every_client_at_the_active_profile_and_at_two_ports() {
    let moto = start_moto();
    let settings =
        format!("[imds]\nprofiles = {{ adminUser = {}, readOnlyUser = {} }}\n", free_port(), free_port());
    let sandbox = signed_in(&moto, &settings);
    let active_profile = || sandbox.daemon().env(&["--imds"]);
    let without_active_profile = AwsClient::CliV1.whoami(&sandbox, &moto, &active_profile());
    assert!(
        without_active_profile.stderr.contains("Unable to locate credentials"),
        "no profile is active: {}",
        without_active_profile.stderr
    );
    sandbox.ssod(&["use", "readOnlyUser"]).succeeded();
    for client in AwsClient::ALL {
        for user in USERS {
            let env = without_profile(sandbox.daemon().env(&[user.profile, "--imds"]));
            assert_acts_as(user, client, &sandbox, &moto, &env, "IMDS at the profile's port");
        }
        let env = active_profile();
        assert_acts_as(TestUser::READ_ONLY, client, &sandbox, &moto, &env, "IMDS of the active profile");
    }
}

#[test]
fn imds_follows_its_protocol_exactly() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.ssod(&["use", "adminUser"]).succeeded();
    let base = format!("http://127.0.0.1:{}", sandbox.daemon().port());
    let token_url = format!("{base}/latest/api/token");
    let ttl = "x-aws-ec2-metadata-token-ttl-seconds";
    for wrong in ["0", "21601", "-1", "x", ""] {
        assert_eq!(put_with(&token_url, &[(ttl, wrong)]).status, 400, "{wrong:?}");
    }
    assert_eq!(put_with(&token_url, &[]).status, 400);
    let issued = put_with(&token_url, &[(ttl, "300")]);
    assert_eq!(
        (issued.status, issued.header(ttl), issued.header("content-type")),
        (200, Some("300"), Some("text/plain"))
    );
    let token = [("x-aws-ec2-metadata-token", issued.body.as_str())];
    let roles = "/latest/meta-data/iam/security-credentials";
    for path in [
        roles,
        "/latest/meta-data/placement/region",
        "/latest/nothing",
        "/latest/api/token",
        "/latest/dynamic/instance-identity/document",
    ] {
        assert_eq!(get_with(&format!("{base}{path}"), &[]).status, 401, "{path} without a token");
        let forged = [("x-aws-ec2-metadata-token", "forged")];
        assert_eq!(get_with(&format!("{base}{path}"), &forged).status, 401, "{path} with a forged token");
    }
    for (path, body) in [
        (format!("{roles}/"), "AdminRole"),
        (roles.to_owned(), "AdminRole"),
        (format!("/{roles}/"), "AdminRole"),
        ("/latest/meta-data/placement/region".to_owned(), "us-east-1"),
        ("/latest/meta-data/placement/availability-zone/".to_owned(), "us-east-1a"),
    ] {
        let reply = get_with(&format!("{base}{path}"), &token);
        assert_eq!((reply.status, reply.body.as_str()), (200, body), "{path}");
    }
    let document = get_with(&format!("{base}{roles}/AdminRole"), &token).json();
    assert_eq!((&document["Code"], &document["Type"]), (&"Success".into(), &"AWS-HMAC".into()));
    for path in [
        "/latest/meta-data/iam/security-credentials-extended/",
        "/latest/meta-data/iam/security-credentials/OtherRole",
    ] {
        assert_eq!(get_with(&format!("{base}{path}"), &token).status, 404, "{path}");
    }
    sandbox.ssod(&["logout"]).succeeded();
    assert_eq!(
        get_with(&format!("{base}{roles}/"), &token).status,
        404,
        "a role is listed without a sign-in"
    );
    let refused = get_with(&format!("{base}{roles}/AdminRole"), &token);
    assert_eq!((refused.status, &refused.json()["code"]), (403, &"LoginRequired".into()));
    sandbox.ssod(&["use", "--none"]).succeeded();
    assert_eq!(
        get_with(&format!("{base}{roles}/"), &token).status,
        404,
        "a role is listed without an active profile"
    );
}

#[test]
fn the_guard_accepts_sdks_and_refuses_all_others() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(TestUser::ADMIN);
    sandbox.configure(TestUser::READ_ONLY);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    let url = sandbox.daemon().credentials_url("adminUser");
    let (own, other) = (sandbox.daemon().token("adminUser"), sandbox.daemon().token("readOnlyUser"));
    for (token, status, code) in [
        (Some(&own), 200, None),
        (Some(&other), 401, Some("InvalidToken")),
        (None, 401, Some("InvalidToken")),
    ] {
        let headers: Vec<(&str, &str)> =
            token.iter().map(|token| ("authorization", token.as_str())).collect();
        let reply = get_with(&url, &headers);
        assert_eq!(reply.status, status, "{token:?}");
        if let Some(code) = code {
            assert_eq!((&reply.json()["code"], &reply.json()["Code"]), (&code.into(), &code.into()));
            assert_eq!(reply.header("content-type"), Some("application/json"));
        }
    }
    for (name, value) in [
        ("origin", "http://evil.test"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "10.0.0.1"),
        ("host", "evil.test"),
    ] {
        let reply = get_with(&url, &[("authorization", &own), (name, value)]);
        assert_eq!((reply.status, &reply.json()["code"]), (403, &"CallerRefused".into()), "{name}");
    }
    let refused = sandbox.daemon().credentials("readOnlyUser");
    assert_eq!((refused.status, &refused.json()["code"]), (403, &"LoginRequired".into()));
    let message = "Session \"sso-session-readOnlyUser\" is signed out. Run: ssod login readOnlyUser";
    assert_eq!(refused.json()["message"], message);
}
