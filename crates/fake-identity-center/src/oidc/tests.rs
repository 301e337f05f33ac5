use super::*;
use crate::{Lifetimes, World};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn center() -> Center {
    Center::new(World::seed(), Lifetimes::default(), 1)
}

fn client(center: &mut Center, browser: bool) -> (String, String) {
    let registration = Registration {
        client_name: Some("test".into()),
        client_type: Some("public".into()),
        scopes: vec!["sso:account:access".into()],
        redirect_uris: if browser { vec!["http://127.0.0.1/oauth/callback".into()] } else { vec![] },
        ..Registration::default()
    };
    let (id, secret, _) = center.register_client(at(0), registration).unwrap();
    (id, secret)
}

fn token_request((id, secret): &(String, String), kind: &str) -> TokenRequest {
    TokenRequest {
        client_id: Some(id.clone()),
        client_secret: Some(secret.clone()),
        grant_type: Some(kind.into()),
        ..TokenRequest::default()
    }
}

fn sign_in(center: &mut Center, client: &(String, String), user: &str) -> TokenResponse {
    let device = center.start_device_authorization(at(0), &client.0, &client.1, "https://x").unwrap();
    center.answer_device(at(1), &device.user_code, user, true).unwrap();
    center
        .create_token(
            at(2),
            &TokenRequest { device_code: Some(device.device_code), ..token_request(client, DEVICE_GRANT) },
        )
        .unwrap()
}

#[test]
fn a_device_code_is_pending_then_approved_and_works_once() {
    let mut center = center();
    let client = client(&mut center, false);
    let device = center.start_device_authorization(at(0), &client.0, &client.1, "https://x").unwrap();
    let poll = TokenRequest { device_code: Some(device.device_code), ..token_request(&client, DEVICE_GRANT) };
    assert_eq!(center.create_token(at(0), &poll).unwrap_err().error_code, Some("authorization_pending"));
    assert_eq!(center.create_token(at(0), &poll).unwrap_err().error_code, Some("slow_down"));
    center.answer_device(at(5), &device.user_code.to_lowercase(), "alice", true).unwrap();
    let token = center.create_token(at(6), &poll).unwrap();
    assert_eq!(center.user_of(at(7), &token.access_token), Some("alice"));
    assert_eq!(center.create_token(at(8), &poll).unwrap_err().error_code, Some("invalid_grant"));
}

#[test]
fn denial_and_expiry_are_different_errors() {
    let mut center = center();
    let client = client(&mut center, false);
    for (deny, now, error) in [(true, 2, "access_denied"), (false, 601, "expired_token")] {
        let device = center.start_device_authorization(at(0), &client.0, &client.1, "https://x").unwrap();
        if deny {
            center.answer_device(at(1), &device.user_code, "alice", false).unwrap();
        }
        let poll =
            TokenRequest { device_code: Some(device.device_code), ..token_request(&client, DEVICE_GRANT) };
        assert_eq!(center.create_token(at(now), &poll).unwrap_err().error_code, Some(error));
    }
}

#[test]
fn refresh_tokens_rotate_and_expire_with_their_session() {
    let mut center = center();
    let client = client(&mut center, false);
    let first = sign_in(&mut center, &client, "alice");
    let refresh = |token: &TokenResponse| TokenRequest {
        refresh_token: token.refresh_token.clone(),
        ..token_request(&client, "refresh_token")
    };
    let second = center.create_token(at(3_000), &refresh(&first)).unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);
    assert_eq!(
        center.create_token(at(3_001), &refresh(&first)).unwrap_err().error_code,
        Some("invalid_grant")
    );
    assert!(
        center.create_token(at(8 * 3_600 + 3), &refresh(&second)).is_err(),
        "the portal session has ended"
    );
}

#[test]
fn reusable_refresh_tokens_are_not_replaced() {
    let mut center = center();
    center.lifetimes.single_use_refresh_tokens = false;
    let client = client(&mut center, false);
    let first = sign_in(&mut center, &client, "alice");
    let refresh =
        TokenRequest { refresh_token: first.refresh_token, ..token_request(&client, "refresh_token") };
    for second in [10, 20] {
        assert_eq!(center.create_token(at(second), &refresh).unwrap().refresh_token, None);
    }
}

#[test]
fn the_browser_flow_checks_redirect_challenge_and_use() {
    let mut center = center();
    let client = client(&mut center, true);
    let verifier = "v".repeat(64);
    let request = AuthorizationRequest {
        response_type: "code".into(),
        client_id: client.0.clone(),
        redirect_uri: "http://127.0.0.1:4711/oauth/callback".into(),
        state: "state".into(),
        code_challenge_method: "S256".into(),
        code_challenge: BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier)),
        scopes: String::new(),
    };
    let elsewhere =
        AuthorizationRequest { redirect_uri: "http://evil.test/oauth/callback".into(), ..request.clone() };
    assert!(center.check_authorization(at(0), &elsewhere).is_err());
    let mut code = || {
        let target = center.answer_authorization(at(0), &request, "bob", true).unwrap();
        target.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned()
    };
    let (used, wrong) = (code(), code());
    let redeem = |code: &str, verifier: &str| TokenRequest {
        code: Some(code.to_owned()),
        redirect_uri: Some(request.redirect_uri.clone()),
        code_verifier: Some(verifier.to_owned()),
        ..token_request(&client, "authorization_code")
    };
    let token = center.create_token(at(1), &redeem(&used, &verifier)).unwrap();
    assert_eq!(center.user_of(at(1), &token.access_token), Some("bob"));
    assert_eq!(
        center.create_token(at(2), &redeem(&used, &verifier)).unwrap_err().error_code,
        Some("invalid_grant")
    );
    assert_eq!(
        center.create_token(at(2), &redeem(&wrong, "other")).unwrap_err().error_code,
        Some("invalid_grant")
    );
}

#[test]
fn an_unassigned_role_is_forbidden_and_an_ended_session_unauthorized() {
    let mut center = center();
    let client = client(&mut center, false);
    let token = sign_in(&mut center, &client, "bob").access_token;
    let account = "123456789012";
    assert_eq!(center.role_credentials(at(3), &token, account, "AdminRole").unwrap_err().status, 403);
    assert!(center.role_credentials(at(3), &token, account, "ReadOnlyRole").is_ok());
    center.logout(at(4), &token).unwrap();
    assert_eq!(center.role_credentials(at(5), &token, account, "ReadOnlyRole").unwrap_err().status, 401);
}
