//! Identity Center's answers. The first byte of the input determines the operation and the status, and the rest is the
//! body.

use std::time::Duration;

use ssod_identity_center::{ErrorAnswer, Operation, answers, classify};
use ssod_model::{ClientRegistration, IdentityError, Secret, Timestamp, TimestampExt};

/// The longest lifetime that ssod accepts.
const YEAR: Duration = Duration::from_hours(8_784);

/// Checks that a body is parsed to a value whose secrets can be sent and whose lifetime is bounded, or to a printable
/// error.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let client = ClientRegistration {
        client_id: "id".to_owned(),
        client_secret: Secret::new("s".to_owned()),
        expires_at: now,
    };
    if let Ok(registration) = check_error(answers::registration(body, now)) {
        assert!(registration.expires_at <= now.plus(YEAR));
    }
    if let Ok(authorization) = check_error(answers::device_authorization(body)) {
        assert!(authorization.expires_in <= YEAR && (1..=60).contains(&authorization.interval.as_secs()));
        assert!(!authorization.user_code.chars().any(char::is_control));
    }
    if let Ok(tokens) =
        check_error(answers::tokens(body, now, now, client, Some(Secret::new("previous".to_owned()))))
    {
        assert!(
            tokens.expires_at >= now && tokens.expires_at <= now.plus(YEAR) && tokens.refresh_token.is_some()
        );
        check_secret(&tokens.access_token);
    }
    if let Ok(credentials) = check_error(answers::role_credentials(body, now, now)) {
        assert!(credentials.expiration <= now.plus(YEAR));
        check_secret(&credentials.secret_access_key);
        check_secret(&credentials.session_token);
    }
    if let Ok(page) = check_error(answers::accounts(body)) {
        assert!(page.entries.iter().all(|account| !account.name.chars().any(char::is_control)));
    }
    let _ = check_error(answers::roles(body));
    let operation = Operation::ALL[usize::from(*kind) % Operation::ALL.len()];
    let status = [302, 400, 401, 403, 404, 407, 408, 429, 500, 503][usize::from(kind >> 1) % 10];
    let text = String::from_utf8_lossy(body.get(..16).unwrap_or_default()).into_owned();
    let error_type = (kind & 128 != 0).then_some(text.as_str());
    let answer = ErrorAnswer {
        operation,
        status,
        error_type,
        content_type: Some(&text),
        redirect_host: Some(&text),
        retry_after: Some(u64::from(*kind)),
        body,
    };
    let _ = check_error::<()>(Err(classify(&answer)));
}

/// Checks that a secret can be sent in a header and served to SDKs in JSON.
fn check_secret(secret: &Secret) {
    assert!(!secret.expose().is_empty() && !secret.expose().chars().any(char::is_control));
}

/// Checks that the text of an error can be shown on a terminal.
fn check_error<T>(outcome: Result<T, IdentityError>) -> Result<T, IdentityError> {
    if let Err(error) = &outcome {
        let text = error.to_string();
        assert!(!text.chars().any(char::is_control) && text.len() < 2_000, "{text:?}");
    }
    outcome
}
