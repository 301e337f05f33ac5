//! Every protocol that ssod speaks, by every client at hand.

use ssod_testkit::{Moto, Person, Sandbox, free_port, get_with, put_with};

use crate::clients::{Client, Env, by_profile, moto};

fn signed_in(moto: &Moto, more_settings: impl FnOnce() -> String) -> Sandbox {
    let mut sandbox = Sandbox::with_fake(&moto.fake());
    sandbox.settings(&more_settings());
    for person in [Person::ADMIN, Person::READ_ONLY] {
        sandbox.configure(person);
    }
    sandbox.start_daemon();
    for person in [Person::ADMIN, Person::READ_ONLY] {
        sandbox.login(person).succeeded();
    }
    sandbox
}

/// Whoever asks is that person; only the administrator may stop the instance.
fn judge(client: Client, sandbox: &Sandbox, moto: &Moto, env: &Env, person: Person, how: &str) {
    let who = client.whoami(sandbox, moto, env).succeeded();
    assert!(
        who.contains(&format!("assumed-role/{}/{}", person.role, person.user)),
        "{client:?} by {how}: {who}"
    );
    let stop = client.stop(sandbox, moto, env);
    if person == Person::ADMIN {
        stop.succeeded();
    } else {
        assert!(stop.stderr.contains("AccessDenied"), "{client:?} by {how}: {}", stop.stderr);
    }
}

#[test]
fn container_credentials_and_credential_process_work_with_every_client() {
    let moto = moto();
    let sandbox = signed_in(&moto, String::new);
    for client in Client::ALL {
        for person in [Person::ADMIN, Person::READ_ONLY] {
            judge(client, &sandbox, &moto, &sandbox.env(&[person.profile]), person, "container credentials");
            judge(client, &sandbox, &moto, &by_profile(person.profile), person, "credential_process");
        }
    }
    sandbox.ssod(&["logout"]).succeeded();
    for client in Client::ALL {
        let refused = client.whoami(&sandbox, &moto, &by_profile("adminUser"));
        assert!(
            refused.status != 0 && refused.stderr.contains("ssod login adminUser"),
            "{client:?}: {}",
            refused.stderr
        );
    }
}

#[test]
fn imds_works_with_every_client_at_the_active_profile_and_at_two_ports() {
    let moto = moto();
    let sandbox = signed_in(&moto, || {
        let (one, other) = (free_port(), free_port());
        format!("[imds]\nprofiles = {{ adminUser = {one}, readOnlyUser = {other} }}\n")
    });
    let nobody = sandbox.env(&["--imds"]);
    let lost = Client::CliV1.whoami(&sandbox, &moto, &nobody);
    assert!(lost.stderr.contains("Unable to locate credentials"), "nothing is active yet: {}", lost.stderr);
    sandbox.ssod(&["use", "readOnlyUser"]).succeeded();
    for client in Client::ALL {
        for person in [Person::ADMIN, Person::READ_ONLY] {
            let env = sandbox.env(&[person.profile, "--imds"]);
            judge(client, &sandbox, &moto, &env, person, "IMDS at a port of its own");
        }
        judge(
            client,
            &sandbox,
            &moto,
            &sandbox.env(&["--imds"]),
            Person::READ_ONLY,
            "IMDS of the active profile",
        );
    }
}

#[test]
fn imds_keeps_to_the_letter_of_the_protocol() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    sandbox.ssod(&["use", "adminUser"]).succeeded();
    let base = format!("http://127.0.0.1:{}", sandbox.port);
    let token_url = format!("{base}/latest/api/token");
    let ttl = "x-aws-ec2-metadata-token-ttl-seconds";
    for wrong in ["0", "21601", "-1", "x", ""] {
        assert_eq!(put_with(&token_url, &[(ttl, wrong)]).status, 400, "{wrong:?}");
    }
    assert_eq!(put_with(&token_url, &[]).status, 400);
    let made = put_with(&token_url, &[(ttl, "300")]);
    assert_eq!(
        (made.status, made.header(ttl), made.header("content-type")),
        (200, Some("300"), Some("text/plain"))
    );
    let token = [("x-aws-ec2-metadata-token", made.body.as_str())];
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
    assert_eq!(get_with(&format!("{base}{roles}/"), &token).status, 404, "signed out: no role");
    let refused = get_with(&format!("{base}{roles}/AdminRole"), &token);
    assert_eq!((refused.status, &refused.json()["code"]), (403, &"LoginRequired".into()));
    sandbox.ssod(&["use", "--none"]).succeeded();
    assert_eq!(get_with(&format!("{base}{roles}/"), &token).status, 404, "nothing active: no role");
}

#[test]
fn the_guard_lets_sdks_in_and_nobody_else() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Person::ADMIN);
    sandbox.configure(Person::READ_ONLY);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    let url = format!("http://127.0.0.1:{}/credentials/adminUser", sandbox.port);
    let read =
        |name: &str| std::fs::read_to_string(sandbox.home().join("run/ssod/tokens").join(name)).unwrap();
    let (own, other) = (read("profile-adminUser"), read("profile-readOnlyUser"));
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
    let blocked = sandbox.credentials("readOnlyUser");
    assert_eq!((blocked.status, &blocked.json()["code"]), (403, &"LoginRequired".into()));
    let message = "Session \"sso-session-readOnlyUser\" is signed out. Run: ssod login readOnlyUser";
    assert_eq!(blocked.json()["message"], message);
}
