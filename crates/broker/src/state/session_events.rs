//! The events of a session.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    Destinations, IdentityError, SessionName, SessionRecord, SessionTokens, SsoSession, Timestamp,
};

use super::State;
use super::in_flight::{Completer, Completion, InFlight};
use super::retry::RetryState;
use super::session::{EndReason, SignedOut};
use crate::decide::Lifetime;

impl State {
    /// Records that a sign-in starts, and returns the session, if it is configured.
    pub(crate) fn sign_in_started(&mut self, name: &SessionName) -> Option<Arc<SsoSession>> {
        let entry = self.sessions.get_mut(name)?;
        let session = entry.config.clone()?;
        entry.signing_in += 1;
        Some(session)
    }

    /// Returns the endpoints to which the secrets of a new sign-in may be sent: those of the session, and the portals
    /// that its profiles name now.
    pub(crate) fn destinations_of(&self, session: &SsoSession) -> Destinations {
        let profiles = self.profiles.values().filter_map(|profile| profile.config.as_ref());
        let own = profiles.filter(|config| config.session == session.name);
        let own = own.filter_map(|config| config.endpoints.as_ref());
        Destinations::of(&session.endpoints).with_profile_portals(own)
    }

    /// Records that a sign-in ended, successful or not.
    pub(crate) fn sign_in_ended(&mut self, name: &SessionName) {
        if let Some(entry) = self.sessions.get_mut(name) {
            entry.signing_in = entry.signing_in.saturating_sub(1);
        }
    }

    /// Returns the record to change, and the generation that it belongs to.
    pub(crate) fn record_to_change(&mut self, session: &SsoSession) -> (SessionRecord, u64) {
        let entry = self.sessions.entry(session.name.clone()).or_default();
        (entry.record_for(session), entry.generation)
    }

    /// Stores a changed record that was saved. Returns whether it was applied: not if the user signed in or out
    /// meanwhile.
    pub(crate) fn record_saved(&mut self, generation: u64, record: SessionRecord) -> bool {
        let name = record.name.clone();
        let Some(entry) = self.session_at_mut(&name, generation) else { return false };
        entry.record = Some(record);
        self.deadlines.sessions.mark_dirty(&name);
        true
    }

    /// Stores the saved record of a new sign-in. Returns whether it was applied.
    pub(crate) fn signed_in(&mut self, generation: u64, record: SessionRecord, now: Timestamp) -> bool {
        let name = record.name.clone();
        if !self.record_saved(generation, record) {
            return false;
        }
        if let Some(entry) = self.sessions.get_mut(&name) {
            entry.begin_generation(None);
            entry.save_at = None;
        }
        self.drop_credentials(&name, now);
        true
    }

    /// Removes the session's tokens and credentials, because the user signed out, and returns them; `None` if the
    /// session is not known.
    pub(crate) fn signed_out(&mut self, name: &SessionName, now: Timestamp) -> Option<SignedOut> {
        let entry = self.sessions.get_mut(name)?;
        entry.begin_generation(None);
        entry.save_at = None;
        let session = match (entry.unusable_tokens(), &entry.config) {
            (None, Some(config)) => Ok(config.clone()),
            (reason, _) => Err(reason.unwrap_or("the session is not in the AWS config file")),
        };
        let tokens = entry.record.take().and_then(|record| record.tokens);
        self.deadlines.sessions.mark_dirty(name);
        Some(SignedOut { session, tokens, still_valid: self.drop_credentials(name, now) })
    }

    /// Records that a renewal of the token starts. Returns the handle that reports its end, and the handle that waits
    /// for it.
    pub(crate) fn renewal_started(&mut self, name: &SessionName) -> (Completer, Completion) {
        let (completer, renewal) = InFlight::new(self.generation(name));
        let completion = renewal.completion();
        if let Some(entry) = self.sessions.get_mut(name) {
            entry.renewal = Some(renewal);
        }
        self.mark_session_and_profiles(name);
        (completer, completion)
    }

    /// Marks the session and its profiles for new deadlines, because the task of a renewal ended.
    pub(crate) fn renewal_ended(&mut self, name: &SessionName, generation: u64) {
        if let Some(entry) = self.sessions.get_mut(name) {
            entry.renewal.take_if(|renewal| renewal.is_for(generation));
        }
        self.mark_session_and_profiles(name);
    }

    /// Stores the record of renewed tokens. `save_at` is set if the record could not be saved. Returns whether it was
    /// applied.
    pub(crate) fn renewed(
        &mut self,
        generation: u64,
        record: SessionRecord,
        save_at: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let name = record.name.clone();
        let life = record.tokens.as_ref().map(SessionTokens::life).unwrap_or_default();
        let Some(entry) = self.session_at_mut(&name, generation) else { return false };
        entry.record = Some(record);
        entry.retry = (life < Duration::from_secs(1))
            .then(|| RetryState::after_expired_answer("AWS's new token has already expired", now));
        entry.save_at = save_at;
        true
    }

    /// Records that a renewal failed. Returns the state of its retries, if the failure was applied.
    pub(crate) fn renewal_failed(
        &mut self,
        name: &SessionName,
        generation: u64,
        error: &IdentityError,
        now: Timestamp,
    ) -> Option<&RetryState> {
        let needed_by = self.needed_by(name, now);
        let entry = self.session_at_mut(name, generation)?;
        let retry = RetryState::after(error, entry.retry.as_ref(), needed_by, name, now);
        Some(entry.retry.insert(retry))
    }

    /// Returns the lifetime of what expires first without a new token. This is the token itself; after its end, it is
    /// the credentials in use, which only a new token can replace.
    fn needed_by(&self, name: &SessionName, now: Timestamp) -> Option<Lifetime> {
        let token = self.sessions.get(name)?.lifetime();
        if token.is_some_and(|token| now < token.expires_at) {
            return token;
        }
        let used = self.profiles.values().filter(|profile| {
            let config = profile.config.as_ref();
            config.is_some_and(|config| config.session == *name) && profile.last_used.is_some()
        });
        let held = used.filter_map(|profile| profile.lifetime()).filter(|held| now < held.expires_at);
        held.min_by_key(|held| held.expires_at).or(token)
    }

    /// Drops the session's tokens, because AWS ended the session. Its credentials are served until they expire. Returns
    /// the record to save, if any.
    pub(crate) fn session_ended(
        &mut self,
        name: &SessionName,
        generation: u64,
        why: EndReason,
    ) -> Option<SessionRecord> {
        let entry = self.session_at_mut(name, generation)?;
        entry.begin_generation(Some(why));
        let record = entry.record.as_mut()?;
        let ended_client = record.tokens.take().map(|tokens| tokens.client.client_id);
        if why == EndReason::Client {
            record.registrations.retain(|_, client| Some(&client.client_id) != ended_client.as_ref());
        }
        let record = record.clone();
        self.mark_session_and_profiles(name);
        Some(record)
    }

    /// Records that a save of the record starts, so that the timer does not start it twice.
    pub(crate) fn record_save_started(&mut self, name: &SessionName) {
        if let Some(entry) = self.sessions.get_mut(name) {
            entry.save_at = None;
        }
    }

    /// Records that a save of the record ended; if it failed, the next one is due at `save_at`.
    pub(crate) fn record_save_ended(&mut self, name: &SessionName, save_at: Option<Timestamp>) {
        self.deadlines.sessions.mark_dirty(name);
        if let (Some(save_at), Some(entry)) = (save_at, self.sessions.get_mut(name)) {
            entry.save_at = Some(save_at);
        }
    }

    /// Marks a session and its profiles. It iterates over all profiles, but only a few times per renewal of a token.
    fn mark_session_and_profiles(&mut self, name: &SessionName) {
        self.deadlines.sessions.mark_dirty(name);
        for (profile_name, profile) in &self.profiles {
            if profile.config.as_ref().is_some_and(|config| config.session == *name) {
                self.deadlines.profiles.mark_dirty(profile_name);
            }
        }
    }
}
