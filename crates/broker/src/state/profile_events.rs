//! What happens to a profile.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    CachedCredentials, Floor, IdentityError, ProfileName, RoleCredentials, RoleId, SessionName, Timestamp,
    TimestampExt,
};

use super::State;
use super::in_flight::{Completer, Completion, InFlight, joinable};
use super::profile::{FetchJob, HeldCredentials};
use super::retry::RetryState;
use super::unsaved::UnsavedCredentials;
use crate::policy::Policy;

/// Uses that follow each other within this time are attributed to one program until more is known.
const SAME_USE: Duration = Duration::from_secs(2);

impl State {
    /// A caller used a profile, which is kept fresh from now on. Returns whether it was not kept fresh before.
    pub(crate) fn used(
        &mut self,
        name: &ProfileName,
        by: Option<String>,
        now: Timestamp,
        policy: &Policy,
    ) -> bool {
        let Some(entry) = self.profiles.get_mut(name) else { return false };
        let was_fresh = entry.facts(now, policy).kept_fresh;
        let before = entry.last_used.replace(now);
        // The program is often known a moment later; until then the previous one is assumed, which is mostly right.
        let is_new = before.is_none_or(|before| now.since_or_zero(before) > SAME_USE);
        if by.is_some() || is_new {
            entry.used_by = by;
        }
        // The policy may exclude the profile, even when it is used.
        let starts = !was_fresh && entry.facts(now, policy).kept_fresh;
        if starts {
            self.deadlines.profiles.mark_dirty(name);
        }
        starts
    }

    /// The program that used a profile became known after the use.
    pub(crate) fn used_by(&mut self, name: &ProfileName, program: &str) {
        if let Some(entry) = self.profiles.get_mut(name) {
            entry.used_by = Some(program.to_owned());
        }
    }

    /// Returns what a fetch of that profile would work on now, if the profile and its session are configured.
    pub(crate) fn fetch_job(&self, name: &ProfileName, now: Timestamp) -> Option<FetchJob> {
        let profile = self.profiles.get(name)?.config.clone()?;
        let session = self.sessions.get(&profile.session)?;
        let (session, generation) = (session.config.clone()?, session.generation);
        Some(FetchJob { session, generation, profile, started_at: now })
    }

    /// Returns the fetch under way that a caller can join.
    pub(crate) fn joinable_fetch(&self, job: &FetchJob) -> Option<Completion> {
        joinable(self.profiles.get(&job.profile.name)?.fetch.as_ref(), job.generation)
    }

    /// Whether a fetch may start and may bring credentials.
    pub(crate) fn may_fetch(&self, name: &ProfileName, now: Timestamp, policy: &Policy) -> bool {
        self.accepts_work()
            && self.decide(now, name, Floor::CONTAINER, policy).is_some_and(|decision| decision.may_fetch)
    }

    /// A fetch starts. Returns the handle that reports its end, and what callers wait for.
    pub(crate) fn fetch_started(&mut self, job: &FetchJob) -> (Completer, Completion) {
        let (completer, fetch) = InFlight::new(job.generation);
        let completion = fetch.completion();
        if let Some(entry) = self.profiles.get_mut(&job.profile.name) {
            entry.fetch = Some(fetch);
        }
        self.deadlines.profiles.mark_dirty(&job.profile.name);
        (completer, completion)
    }

    /// The task of a fetch ended, so the profile gets a new deadline.
    pub(crate) fn fetch_ended(&mut self, name: &ProfileName) {
        self.deadlines.profiles.mark_dirty(name);
    }

    /// A fetch has an outcome. Returns whether it counts: it does not if the session or the profile changed meanwhile.
    pub(crate) fn fetch_completed(&mut self, job: &FetchJob) -> bool {
        let same_session = self.session_at(&job.profile.session, job.generation).is_some();
        let Some(entry) = self.profiles.get_mut(&job.profile.name) else { return false };
        entry.fetch.take_if(|fetch| fetch.is_for(job.generation));
        same_session && entry.config.as_ref() == Some(&job.profile)
    }

    /// AWS issued credentials.
    pub(crate) fn fetched(&mut self, job: &FetchJob, credentials: RoleCredentials, now: Timestamp) {
        let Some(entry) = self.profiles.get_mut(&job.profile.name) else { return };
        let (session, role) = (job.session.name.clone(), RoleId::from(&*job.profile));
        entry.held = Some(HeldCredentials { session, role, credentials: Arc::new(credentials) });
        entry.retry = None;
        UnsavedCredentials::count(&mut self.unsaved_credentials, now);
    }

    /// A fetch failed. Held credentials stay. Returns the state of its retries.
    pub(crate) fn failed(
        &mut self,
        name: &ProfileName,
        error: &IdentityError,
        now: Timestamp,
    ) -> Option<&RetryState> {
        let entry = self.profiles.get_mut(name)?;
        let retry = RetryState::after(error, entry.retry.as_ref(), entry.lifetime(), name, now);
        Some(entry.retry.insert(retry))
    }

    /// A fetch brought credentials that have already expired by this machine's clock.
    pub(crate) fn fetched_expired(&mut self, name: &ProfileName, now: Timestamp) {
        if let Some(entry) = self.profiles.get_mut(name) {
            let reason = "new credentials have already expired by this machine's clock, which seems wrong";
            entry.retry = Some(RetryState::after_expired_answer(reason, now));
        }
    }

    /// A fetch found no usable access token.
    pub(crate) fn fetch_lacked_token(&mut self, job: &FetchJob, now: Timestamp) {
        let renewal = self.sessions.get(&job.session.name).and_then(|session| session.retry.as_ref());
        let retry = RetryState::after_missing_token(renewal, now);
        if let Some(entry) = self.profiles.get_mut(&job.profile.name) {
            entry.retry = Some(retry);
        }
    }

    /// Takes the credentials that the next write saves; they count as saved from now on.
    pub(crate) fn credentials_to_save(&mut self, now: Timestamp) -> Vec<CachedCredentials> {
        self.unsaved_credentials = None;
        self.cached_credentials(now)
    }

    /// The credentials could not be saved: they are due again at `retry_at`, or sooner if they changed meanwhile.
    pub(crate) fn credentials_not_saved(&mut self, retry_at: Timestamp) {
        self.unsaved_credentials.get_or_insert(UnsavedCredentials::all(retry_at));
    }

    /// Drops the credentials that a session issued, even if their profile is not configured now, and the failures of
    /// its profiles. Returns the dropped ones that AWS still accepts, with their expiration.
    pub(super) fn drop_credentials(
        &mut self,
        session: &SessionName,
        now: Timestamp,
    ) -> Vec<(ProfileName, Timestamp)> {
        let mut still_valid = Vec::new();
        for (name, profile) in &mut self.profiles {
            if profile.config.as_ref().is_some_and(|config| config.session == *session) {
                profile.retry = None;
                self.deadlines.profiles.mark_dirty(name);
            }
            if let Some(held) = profile.held.take_if(|held| held.session == *session)
                && held.credentials.expiration > now
            {
                still_valid.push((name.clone(), held.credentials.expiration));
            }
        }
        self.unsaved_credentials.get_or_insert(UnsavedCredentials::all(now));
        still_valid
    }
}
