//! Which work is due, and the next deadlines.

use ssod_model::{Floor, ProfileName, SessionName, Timestamp};

use super::State;
use super::session::SessionStep;
use crate::decide::{NextStep, Renew, is_waiting, renew_token};
use crate::policy::Policy;

impl State {
    /// Reschedules all sessions and profiles that changed since the last tick.
    pub(crate) fn reschedule_dirty(&mut self, now: Timestamp, policy: &Policy) {
        let mut sessions = self.deadlines.sessions.take_dirty();
        let mut profiles = self.deadlines.profiles.take_dirty();
        if self.deadlines.clock_was_set_back(now) {
            self.end_impossible_waits(now);
        }
        if self.deadlines.take_all_dirty() {
            self.deadlines.sessions.clear();
            self.deadlines.profiles.clear();
            sessions = self.sessions.keys().cloned().collect();
            profiles = self.profiles.keys().cloned().collect();
        }
        for name in &sessions {
            self.reschedule_session(name, now);
        }
        for name in &profiles {
            self.reschedule_profile(name, now, policy);
        }
    }

    /// Takes the next session whose deadline has passed, with the work that is due, if any.
    pub(crate) fn take_due_session(&mut self, now: Timestamp) -> Option<(SessionName, Option<SessionStep>)> {
        let name = self.deadlines.sessions.due(now)?;
        self.deadlines.sessions.reschedule(&name, None);
        let step = self.sessions.get(&name).and_then(|session| {
            if session.save_at.is_some_and(|at| at <= now) {
                Some(SessionStep::Save)
            } else if matches!(renew_token(now, &session.facts()), Renew::At(at) if at <= now) {
                Some(SessionStep::Renew)
            } else {
                None
            }
        });
        if step.is_none() {
            self.reschedule_session(&name, now);
        }
        Some((name, step))
    }

    /// Returns the profile whose deadline passed first, with its next step.
    pub(crate) fn due_profile(&self, now: Timestamp, policy: &Policy) -> Option<(ProfileName, NextStep)> {
        let name = self.deadlines.profiles.due(now)?;
        let step = self.next_step(&name, now, policy);
        Some((name, step))
    }

    /// Removes a profile's deadline. A later event marks the profile, which gives it a new one.
    pub(crate) fn unschedule_profile(&mut self, name: &ProfileName) {
        self.deadlines.profiles.reschedule(name, None);
    }

    /// Sets a profile's deadline by the present decision.
    pub(crate) fn reschedule_profile(&mut self, name: &ProfileName, now: Timestamp, policy: &Policy) {
        let at = self.profile_deadline(name, now, policy);
        self.deadlines.profiles.reschedule(name, at);
    }

    /// Returns the first deadline of any session.
    pub(crate) fn next_session_deadline(&self) -> Option<Timestamp> {
        self.deadlines.sessions.first()
    }

    /// Returns the first deadline of any profile.
    pub(crate) fn next_profile_deadline(&self) -> Option<Timestamp> {
        self.deadlines.profiles.first()
    }

    /// Returns when the cached credentials must be written next.
    pub(crate) fn next_write(&self) -> Option<Timestamp> {
        self.unsaved_credentials.as_ref().map(|unsaved| unsaved.due(self.profiles.len()))
    }

    /// Returns whether the cached credentials must be written now; if so, they count as saved.
    pub(crate) fn take_due_write(&mut self, now: Timestamp) -> bool {
        let profiles = self.profiles.len();
        self.unsaved_credentials.take_if(|unsaved| unsaved.due(profiles) <= now).is_some()
    }

    /// Ends the waits after missing answers, because the network may have changed. Returns whether there were any.
    pub(crate) fn network_changed(&mut self, now: Timestamp) -> bool {
        let mut ended = false;
        for (name, session) in &mut self.sessions {
            if session.retry.as_mut().is_some_and(|retry| retry.end_wait(name, now)) {
                self.deadlines.sessions.mark_dirty(name);
                ended = true;
            }
        }
        for (name, profile) in &mut self.profiles {
            if profile.retry.as_mut().is_some_and(|retry| retry.end_wait(name, now)) {
                self.deadlines.profiles.mark_dirty(name);
                ended = true;
            }
        }
        ended
    }

    /// Ends the waits that were set while the clock was ahead. Otherwise they would count again when the corrected
    /// clock comes close to their end.
    fn end_impossible_waits(&mut self, now: Timestamp) {
        let sessions = self.sessions.values_mut().filter_map(|session| session.retry.as_mut());
        let profiles = self.profiles.values_mut().filter_map(|profile| profile.retry.as_mut());
        for retry in sessions.chain(profiles).filter(|retry| !is_waiting(now, retry.retry_at)) {
            retry.retry_at = retry.retry_at.min(now);
        }
    }

    fn reschedule_session(&mut self, name: &SessionName, now: Timestamp) {
        let at = self.sessions.get(name).and_then(|session| {
            let facts = session.facts();
            let renewal = match renew_token(now, &facts) {
                Renew::At(at) if !facts.renewing => Some(at),
                Renew::At(_) | Renew::Never => None,
            };
            renewal.into_iter().chain(session.save_at).min()
        });
        self.deadlines.sessions.reschedule(name, at);
    }

    fn next_step(&self, name: &ProfileName, now: Timestamp, policy: &Policy) -> NextStep {
        self.decide(now, name, Floor::CONTAINER, policy).map_or(NextStep::Nothing, |decision| decision.next)
    }

    /// Returns when the timer must act for a profile.
    fn profile_deadline(&self, name: &ProfileName, now: Timestamp, policy: &Policy) -> Option<Timestamp> {
        let decision = self.decide(now, name, Floor::CONTAINER, policy)?;
        match (decision.next, decision.renew) {
            (NextStep::Nothing | NextStep::AwaitRenewal, _) | (_, Renew::Never) => None,
            (_, Renew::At(at)) => Some(at),
        }
    }

    /// Returns a profile's deadline in the queue, and the one by the present decision.
    #[cfg(test)]
    pub(crate) fn profile_deadlines(
        &self,
        name: &ProfileName,
        now: Timestamp,
        policy: &Policy,
    ) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.deadlines.profiles.of(name), self.profile_deadline(name, now, policy))
    }
}
