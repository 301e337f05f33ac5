//! `GET /credentials/PROFILE` and `GET /credentials`: the container-credentials protocol.

use std::time::Duration;

use ssod_model::{CredentialSource, Floor, Refusal};

use crate::audited_response::AuditedResponse;
use crate::tokens::TokenOwner;
use crate::wire;

/// The longest wait for a fetch. The JavaScript SDK gives up after one second.
const MAX_WAIT: Duration = Duration::from_millis(800);

/// Answers with the credentials of that profile, or of the active one. The guard has already checked the token.
pub(crate) async fn answer<S: CredentialSource>(source: &S, owner: TokenOwner) -> AuditedResponse {
    let name = match owner {
        TokenOwner::Profile(name) => Some(name),
        TokenOwner::Active => source.active(),
    };
    let Some(name) = name else {
        return AuditedResponse::refused(None, &Refusal::NoActiveProfile);
    };
    let Some(profile) = source.profile(&name) else {
        return AuditedResponse::refused(Some(name.clone()), &Refusal::ProfileNotFound(name.to_string()));
    };
    match source.fetch_within(&name, Floor::CONTAINER, MAX_WAIT).await {
        Ok(credentials) => AuditedResponse::served(name, wire::container(&credentials, &profile.account_id)),
        Err(refusal) => AuditedResponse::refused(Some(name), &refusal),
    }
}
