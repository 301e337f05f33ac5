//! `GET /credentials/PROFILE` and `GET /credentials`: the container-credentials protocol.

use std::time::Duration;

use ssod_model::{CredentialSource, Floor, ProfileName, Refusal};

use crate::{Answer, wire};

/// JavaScript gives up after a second.
const PATIENCE: Duration = Duration::from_millis(800);

/// The credentials of that profile, or of the active one; the guard has seen the token.
pub(crate) async fn answer<S: CredentialSource>(source: &S, named: Option<ProfileName>) -> Answer {
    let Some(name) = named.or_else(|| source.active()) else {
        return Answer::refused(None, &Refusal::NoActiveProfile);
    };
    let Some(profile) = source.profile(&name) else {
        return Answer::refused(Some(name.clone()), &Refusal::ProfileNotFound(name.to_string()));
    };
    match source.fetch_within(&name, Floor::CONTAINER, PATIENCE).await {
        Ok(credentials) => Answer::served(name, wire::container(&credentials, &profile)),
        Err(refusal) => Answer::refused(Some(name), &refusal),
    }
}
