//! What is handed out: from memory at once, or by a fetch that all callers share.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    Cached, CredentialSource, Floor, IdentityProvider, Profile, ProfileName, Refusal, RoleCredentials,
    SecretStore,
};

use crate::broker::Broker;
use crate::decide::Serve;
use crate::phase::Closed;
use crate::state::State;

impl<P: IdentityProvider, S: SecretStore> CredentialSource for Broker<P, S> {
    fn cached(&self, name: &ProfileName, floor: Floor) -> Cached {
        let (now, policy) = (self.now(), self.policy());
        let state = self.state();
        if let Some(closed) = &state.closed {
            return Cached::Refused(closed.refusal());
        }
        let entry = state.profiles.get(name);
        let (Some(entry), Some(decision)) = (entry, state.decide(now, name, floor, &policy)) else {
            return Cached::Refused(Refusal::ProfileNotFound(name.to_string()));
        };
        let cached = match (decision.serve, entry.credentials(), &entry.config) {
            (Serve::Held, Some(credentials), _) => Cached::Ready(credentials.clone()),
            (Serve::HeldOrNewer | Serve::Fetch, _, _) => Cached::Fetch,
            (serve, _, Some(config)) => return Cached::Refused(refusal(serve, &state, config)),
            (_, _, None) => return Cached::Refused(Refusal::ProfileNotFound(name.to_string())),
        };
        drop(state);
        // Being refused is no use.
        self.used(name, None);
        cached
    }

    async fn fetch(&self, name: &ProfileName, floor: Floor) -> Result<Arc<RoleCredentials>, Refusal> {
        match self.cached(name, floor) {
            Cached::Ready(credentials) => return Ok(credentials),
            // Whatever is under way, nobody gets it now.
            Cached::Refused(refusal) => return Err(refusal),
            Cached::Fetch => {}
        }
        // Once more where the first one became void on its way: by a sign-in, or by a change of configuration.
        for _ in 0..2 {
            if let Some(mut done) = self.start_fetch(name) {
                // An error means that the task is gone; what it left behind is looked at all the same.
                let _ = done.wait_for(|done| *done).await;
            }
            if let Some(credentials) = self.held(name) {
                return Ok(credentials);
            }
            if !matches!(self.cached(name, floor), Cached::Fetch) {
                break;
            }
        }
        match self.cached(name, floor) {
            Cached::Ready(credentials) => Ok(credentials),
            Cached::Refused(refusal) => Err(refusal),
            Cached::Fetch => {
                let state = self.state();
                let config = state.profiles.get(name).and_then(|entry| entry.config.clone());
                Err(config.map_or_else(
                    || Refusal::ProfileNotFound(name.to_string()),
                    |config| refusal(Serve::Retrying, &state, &config),
                ))
            }
        }
    }

    async fn fetch_within(
        &self,
        name: &ProfileName,
        floor: Floor,
        patience: Duration,
    ) -> Result<Arc<RoleCredentials>, Refusal> {
        match tokio::time::timeout(patience, self.fetch(name, floor)).await {
            Ok(outcome) => outcome,
            Err(_) => self.held(name).ok_or_else(|| Refusal::Unavailable {
                profile: name.clone(),
                reason: format!("AWS did not answer within {} seconds", patience.as_secs_f64()),
            }),
        }
    }

    fn held(&self, name: &ProfileName) -> Option<Arc<RoleCredentials>> {
        let now = self.now();
        let state = self.state();
        let held = state.profiles.get(name).filter(|_| state.closed.is_none())?.credentials()?;
        (held.expiration > now).then(|| held.clone())
    }

    fn profile(&self, name: &ProfileName) -> Option<Arc<Profile>> {
        self.state().profiles.get(name)?.config.clone()
    }

    fn active(&self) -> Option<ProfileName> {
        self.choice().profile
    }

    fn closed(&self) -> Option<Refusal> {
        self.state().closed.as_ref().map(Closed::refusal)
    }
}

/// The refusal in words, for a decision that is not to serve.
fn refusal(serve: Serve, state: &State, profile: &Profile) -> Refusal {
    match serve {
        Serve::LoginRequired => {
            Refusal::LoginRequired { session: profile.session.clone(), profile: profile.name.clone() }
        }
        Serve::NoAccess => Refusal::NoAccess {
            profile: profile.name.clone(),
            session: profile.session.clone(),
            account_id: profile.account_id.clone(),
            role_name: profile.role_name.clone(),
        },
        Serve::Retrying | Serve::Held | Serve::HeldOrNewer | Serve::Fetch => {
            let failure = state.profiles.get(&profile.name).and_then(|entry| entry.failure.as_ref());
            let failure = failure
                .or_else(|| state.sessions.get(&profile.session).and_then(|entry| entry.failure.as_ref()));
            let reason = failure.map_or("they are being renewed", |failure| failure.reason.as_str());
            Refusal::Unavailable { profile: profile.name.clone(), reason: reason.to_owned() }
        }
    }
}
