//! What callers get: credentials from memory, or the result of a fetch that all callers of a profile share.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    Cached, CredentialSource, Floor, IdentityProvider, Profile, ProfileName, Refusal, RoleCredentials,
    SecretStore,
};

use crate::broker::Broker;
use crate::decide::Serve;
use crate::state::{NotOpen, ProfileEntry, RetryState, SessionEntry, State};

impl<P: IdentityProvider, S: SecretStore> CredentialSource for Broker<P, S> {
    fn cached(&self, name: &ProfileName, floor: Floor) -> Cached {
        let (now, policy) = (self.now(), self.policy());
        let mut state = self.state();
        if let Some(not_open) = state.not_open() {
            return Cached::Refused(not_open.refusal());
        }
        let entry = state.profile(name);
        let (Some(entry), Some(decision)) = (entry, state.decide(now, name, floor, &policy)) else {
            return Cached::Refused(Refusal::ProfileNotFound(name.to_string()));
        };
        let cached = match (decision.serve, entry.credentials(), entry.config()) {
            (Serve::Held, Some(credentials), _) => Cached::Ready(credentials.clone()),
            (Serve::HeldOrNewer | Serve::Fetch, _, _) => Cached::Fetch,
            (serve, _, Some(config)) => return Cached::Refused(refusal(serve, &state, config)),
            (_, _, None) => return Cached::Refused(Refusal::ProfileNotFound(name.to_string())),
        };
        // A refused request does not count as use.
        let is_kept_fresh_now = state.used(name, None, now, &policy);
        drop(state);
        if is_kept_fresh_now {
            self.wake();
        }
        cached
    }

    async fn fetch(&self, name: &ProfileName, floor: Floor) -> Result<Arc<RoleCredentials>, Refusal> {
        match self.answer_from_memory(name, floor) {
            Some(answer) => answer,
            None => self.fetch_missing(name, floor).await,
        }
    }

    async fn fetch_within(
        &self,
        name: &ProfileName,
        floor: Floor,
        time_limit: Duration,
    ) -> Result<Arc<RoleCredentials>, Refusal> {
        // Nearly every request ends here, without a timer.
        if let Some(answer) = self.answer_from_memory(name, floor) {
            return answer;
        }
        match tokio::time::timeout(time_limit, self.fetch_missing(name, floor)).await {
            Ok(outcome) => outcome,
            Err(_) => self.held(name).ok_or_else(|| Refusal::Unavailable {
                profile: name.clone(),
                reason: format!("AWS did not answer within {} seconds", time_limit.as_secs_f64()),
            }),
        }
    }

    fn held(&self, name: &ProfileName) -> Option<Arc<RoleCredentials>> {
        let now = self.now();
        let state = self.state();
        if state.not_open().is_some() {
            return None;
        }
        let held = state.profile(name)?.credentials()?;
        (held.expiration > now).then(|| held.clone())
    }

    fn profile(&self, name: &ProfileName) -> Option<Arc<Profile>> {
        self.state().profile(name)?.config().cloned()
    }

    fn active(&self) -> Option<ProfileName> {
        self.choice().profile
    }

    fn closed(&self) -> Option<Refusal> {
        self.state().not_open().map(NotOpen::refusal)
    }
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Returns the answer, unless only a fetch can give it. A fetch in progress does not change a refusal.
    fn answer_from_memory(
        &self,
        name: &ProfileName,
        floor: Floor,
    ) -> Option<Result<Arc<RoleCredentials>, Refusal>> {
        match self.cached(name, floor) {
            Cached::Ready(credentials) => Some(Ok(credentials)),
            Cached::Refused(refusal) => Some(Err(refusal)),
            Cached::Fetch => None,
        }
    }

    async fn fetch_missing(&self, name: &ProfileName, floor: Floor) -> Result<Arc<RoleCredentials>, Refusal> {
        // The result of a fetch that started before a sign-in or a change of configuration is discarded, so a second
        // fetch may be needed.
        for _ in 0..2 {
            if let Some(fetch) = self.start_fetch(name) {
                fetch.wait().await;
            }
            if let Some(credentials) = self.held(name) {
                return Ok(credentials);
            }
            if !matches!(self.cached(name, floor), Cached::Fetch) {
                break;
            }
        }
        self.answer_from_memory(name, floor).unwrap_or_else(|| {
            let state = self.state();
            let config = state.profile(name).and_then(ProfileEntry::config);
            Err(config.map_or_else(
                || Refusal::ProfileNotFound(name.to_string()),
                |config| refusal(Serve::Retrying, &state, config),
            ))
        })
    }
}

/// Returns the refusal for a decision not to serve.
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
            let retry = state.profile(&profile.name).and_then(ProfileEntry::retry);
            let retry = retry.or_else(|| state.session(&profile.session).and_then(SessionEntry::retry));
            let reason = retry.map_or("they are being renewed", RetryState::reason);
            Refusal::Unavailable { profile: profile.name.clone(), reason: reason.to_owned() }
        }
    }
}
