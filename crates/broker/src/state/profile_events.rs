//! The events of a profile.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    CachedCredentials, Destinations, Floor, IdentityError, ProfileName, RoleCredentials, RoleId, SessionName,
    Timestamp, TimestampExt,
};

use super::State;
use super::in_flight::{Completer, Completion, InFlight, joinable};
use super::profile::{FetchJob, HeldCredentials};
use super::retry::RetryState;
use super::unsaved::UnsavedCredentials;
use crate::policy::Policy;

/// Consecutive uses within this time are attributed to the same program until their program is known.
const SAME_PROGRAM_WINDOW: Duration = Duration::from_secs(2);

impl State {
    /// Records that a caller used a profile, which may be kept fresh from now on. Returns whether it is kept fresh now
    /// and was not before.
    pub(crate) fn used(
        &mut self,
        name: &ProfileName,
        by: Option<String>,
        now: Timestamp,
        policy: &Policy,
    ) -> bool {
        let Some(entry) = self.profiles.get_mut(name) else { return false };
        // Nearly every use follows another one closely, and then it changes nothing but the time.
        let closely = SAME_PROGRAM_WINDOW.min(policy.idle_after);
        if by.is_none()
            && entry.last_used.is_some_and(|last| last <= now && now.since_or_zero(last) < closely)
        {
            entry.last_used = Some(now);
            return false;
        }
        let was_fresh = entry.facts(now, policy).kept_fresh;
        let before = entry.last_used.replace(now);
        // The program is often known a moment later; until then, the previous one is assumed, which is usually right.
        let is_new = before.is_none_or(|before| now.since_or_zero(before) > SAME_PROGRAM_WINDOW);
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

    /// Records the program that used a profile, which became known after the use.
    pub(crate) fn used_by(&mut self, name: &ProfileName, program: &str) {
        if let Some(entry) = self.profiles.get_mut(name) {
            entry.used_by = Some(program.to_owned());
        }
    }

    /// Returns the job of a fetch that starts now, if the profile and its session are configured.
    pub(crate) fn fetch_job(&self, name: &ProfileName, now: Timestamp) -> Option<FetchJob> {
        let profile = self.profiles.get(name)?.config.clone()?;
        let session = self.sessions.get(&profile.session)?;
        let (session, generation) = (session.config.clone()?, session.generation);
        Some(FetchJob { session, generation, profile, started_at: now })
    }

    /// Returns the fetch in progress that a caller can join.
    pub(crate) fn joinable_fetch(&self, job: &FetchJob) -> Option<Completion> {
        joinable(self.profiles.get(&job.profile.name)?.fetch.as_ref(), job.generation)
    }

    /// Returns whether a fetch may start and may return credentials.
    pub(crate) fn may_fetch(&self, name: &ProfileName, now: Timestamp, policy: &Policy) -> bool {
        self.accepts_work()
            && self.decide(now, name, Floor::CONTAINER, policy).is_some_and(|decision| decision.may_fetch)
    }

    /// Records that a fetch starts. Returns the handle that reports its end, and the handle that waits for it.
    pub(crate) fn fetch_started(&mut self, job: &FetchJob) -> (Completer, Completion) {
        let (completer, fetch) = InFlight::new(job.generation);
        let completion = fetch.completion();
        if let Some(entry) = self.profiles.get_mut(&job.profile.name) {
            entry.fetch = Some(fetch);
        }
        self.deadlines.profiles.mark_dirty(&job.profile.name);
        (completer, completion)
    }

    /// Marks the profile for a new deadline, because the task of its fetch ended.
    pub(crate) fn fetch_ended(&mut self, name: &ProfileName) {
        self.deadlines.profiles.mark_dirty(name);
    }

    /// Records that a fetch has an outcome. Returns whether to apply it: not if the session or the profile changed
    /// meanwhile.
    pub(crate) fn fetch_completed(&mut self, job: &FetchJob) -> bool {
        let session = self.session_at(&job.profile.session, job.generation);
        let same_session = session
            .and_then(|session| session.config.as_ref())
            .is_some_and(|config| Destinations::of(&job.session.endpoints).include(&config.endpoints));
        let Some(entry) = self.profiles.get_mut(&job.profile.name) else { return false };
        entry.fetch.take_if(|fetch| fetch.is_for(job.generation));
        same_session && entry.config.as_ref() == Some(&job.profile)
    }

    /// Stores the credentials that AWS issued.
    pub(crate) fn fetched(&mut self, job: &FetchJob, credentials: RoleCredentials, now: Timestamp) {
        let Some(entry) = self.profiles.get_mut(&job.profile.name) else { return };
        let (session, role) = (job.session.name.clone(), RoleId::from(&*job.profile));
        entry.held = Some(HeldCredentials { session, role, credentials: Arc::new(credentials) });
        entry.retry = None;
        UnsavedCredentials::count(&mut self.unsaved_credentials, now);
    }

    /// Records that a fetch failed, and returns the state of its retries. Held credentials stay.
    pub(crate) fn fetch_failed(
        &mut self,
        name: &ProfileName,
        error: &IdentityError,
        now: Timestamp,
    ) -> Option<&RetryState> {
        let entry = self.profiles.get_mut(name)?;
        let retry = RetryState::after(error, entry.retry.as_ref(), entry.lifetime(), name, now);
        Some(entry.retry.insert(retry))
    }

    /// Records that a fetch returned credentials that have already expired by this machine's clock.
    pub(crate) fn fetched_expired(&mut self, name: &ProfileName, now: Timestamp) {
        if let Some(entry) = self.profiles.get_mut(name) {
            let reason = "new credentials have already expired by this machine's clock, which seems wrong";
            entry.retry = Some(RetryState::after_expired_answer(reason, now));
        }
    }

    /// Records that a fetch found no usable access token.
    pub(crate) fn fetch_lacked_token(&mut self, job: &FetchJob, now: Timestamp) {
        let renewal = self.sessions.get(&job.session.name).and_then(|session| session.retry.as_ref());
        let retry = RetryState::after_missing_token(renewal, now);
        if let Some(entry) = self.profiles.get_mut(&job.profile.name) {
            entry.retry = Some(retry);
        }
    }

    /// Returns the credentials that the next write saves; they count as saved from now on.
    pub(crate) fn credentials_to_save(&mut self, now: Timestamp) -> Vec<CachedCredentials> {
        self.unsaved_credentials = None;
        self.cached_credentials(now)
    }

    /// Schedules the next write after a failed one: at `retry_at`, or sooner if the credentials changed meanwhile.
    pub(crate) fn credentials_not_saved(&mut self, retry_at: Timestamp) {
        self.unsaved_credentials.get_or_insert(UnsavedCredentials::all(retry_at));
    }

    /// Drops the credentials of a session, even if their profile is not configured, and the failures of its profiles.
    /// Returns the profiles of the dropped credentials that AWS still accepts, with their expiration.
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
