//! Identity Center's answers. The first byte says how the call went, the rest is the body.

use std::time::Duration;

use ssod_identity_center::{ErrorAnswer, Service, answers, classify};
use ssod_model::{ClientRegistration, IdentityError, Secret, Timestamp, TimestampExt};

/// What nobody may be granted for longer.
const YEAR: Duration = Duration::from_hours(8_784);

/// Whatever the body: a noun whose parts can be sent on and whose life is sane, or an error in printable words.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let client = ClientRegistration {
        client_id: "id".to_owned(),
        client_secret: Secret::new("s".to_owned()),
        expires_at: now,
    };
    if let Ok(made) = seen(answers::registration(body, now)) {
        assert!(made.expires_at <= now.plus(YEAR));
    }
    if let Ok(started) = seen(answers::device_authorization(body)) {
        assert!(started.expires_in <= YEAR && (1..=60).contains(&started.interval.as_secs()));
        assert!(!started.user_code.chars().any(char::is_control));
    }
    if let Ok(tokens) = seen(answers::tokens(body, now, now, client, Some(Secret::new("kept".to_owned())))) {
        assert!(
            tokens.expires_at >= now && tokens.expires_at <= now.plus(YEAR) && tokens.refresh_token.is_some()
        );
        sendable(&tokens.access_token);
    }
    if let Ok(granted) = seen(answers::role_credentials(body, now, now)) {
        assert!(granted.expiration <= now.plus(YEAR));
        sendable(&granted.secret_access_key);
        sendable(&granted.session_token);
    }
    if let Ok(page) = seen(answers::accounts(body)) {
        assert!(page.entries.iter().all(|account| !account.name.chars().any(char::is_control)));
    }
    let _ = seen(answers::roles(body));
    let service = if kind & 1 == 0 { Service::Oidc } else { Service::Portal };
    let status = [400, 401, 403, 404, 407, 408, 429, 500, 502, 503][usize::from(kind >> 1) % 10];
    let text = String::from_utf8_lossy(body.get(..16).unwrap_or_default()).into_owned();
    let error_type = (kind & 128 != 0).then_some(text.as_str());
    let answer = ErrorAnswer { service, status, error_type, retry_after: Some(u64::from(*kind)), body };
    let _ = seen::<()>(Err(classify(&answer)));
}

/// It will stand in a header, and in the JSON of others.
fn sendable(secret: &Secret) {
    assert!(!secret.expose().is_empty() && !secret.expose().chars().any(char::is_control));
}

/// An error is shown on a terminal.
fn seen<T>(outcome: Result<T, IdentityError>) -> Result<T, IdentityError> {
    if let Err(error) = &outcome {
        let words = error.to_string();
        assert!(!words.chars().any(char::is_control) && words.len() < 2_000, "{words:?}");
    }
    outcome
}
