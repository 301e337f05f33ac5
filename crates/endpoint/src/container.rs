//! `GET /credentials/PROFILE` and `GET /credentials`: the container-credentials protocol.

use std::time::Duration;

use ssod_model::{CredentialSource, Floor, Refusal};

use crate::answer::Answer;
use crate::tokens::TokenOwner;
use crate::wire;

/// The JavaScript SDK gives up after one second.
const PATIENCE: Duration = Duration::from_millis(800);

/// Answers with the credentials of that profile, or of the active one. The guard has checked the token.
pub(crate) async fn answer<S: CredentialSource>(source: &S, owner: TokenOwner) -> Answer {
    let named = match owner {
        TokenOwner::Profile(name) => Some(name),
        TokenOwner::Active => source.active(),
    };
    let Some(name) = named else {
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
