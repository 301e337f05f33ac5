//! Finds the profile or session that a client names.

use std::sync::Arc;

use ssod_model::{CredentialSource, Profile, ProfileName, SessionName, similar_names};

use super::failure::Failure;
use crate::live_broker::LiveBroker;
use crate::vault::keeper::VaultKeeper;

/// Fails while the vault is closed, because it is not known then which sessions are signed in.
pub(super) fn require_open(keeper: &VaultKeeper) -> Result<(), Failure> {
    let state = keeper.state();
    if state.is_open() { Ok(()) } else { Err(Failure::closed(&state)) }
}

/// Finds a profile; a session's name is not enough. The error names similar profiles.
pub(super) fn find_profile(broker: &LiveBroker, name: &str) -> Result<Arc<Profile>, Failure> {
    if let Some(profile) = ProfileName::parse(name).ok().and_then(|name| broker.profile(&name)) {
        return Ok(profile);
    }
    let session = SessionName::parse(name).ok().filter(|name| broker.session(name).is_some());
    let Some(session) = session else {
        return Err(explain_unknown_name(name, &names(&broker.profile_names())));
    };
    let all = broker.profile_names().into_iter().filter_map(|name| broker.profile(&name));
    let profiles: Vec<String> =
        all.filter(|profile| profile.session == session).map(|profile| profile.name.to_string()).collect();
    Err(Failure::needs_profile(name, &profiles))
}

/// Finds a profile of that name and its session, or else a session of that name. The error names similar ones.
pub(super) fn find(broker: &LiveBroker, name: &str) -> Result<(SessionName, Option<ProfileName>), Failure> {
    let profile = ProfileName::parse(name).ok().and_then(|name| broker.profile(&name));
    if let Some(profile) = profile {
        return Ok((profile.session.clone(), Some(profile.name.clone())));
    }
    // A session that is no longer in the file can still be signed out.
    let session = SessionName::parse(name).ok().filter(|name| broker.known_sessions().contains(name));
    session.map(|session| (session, None)).ok_or_else(|| {
        let known: Vec<String> =
            names(&broker.profile_names()).into_iter().chain(names(&broker.known_sessions())).collect();
        explain_unknown_name(name, &known)
    })
}

fn names(names: &[impl ToString]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Returns the error for a name that is unknown, most likely because it is misspelled.
fn explain_unknown_name(name: &str, known: &[String]) -> Failure {
    let similar = similar_names(name, known.iter().map(String::as_str));
    Failure::unknown(name, &similar)
}
