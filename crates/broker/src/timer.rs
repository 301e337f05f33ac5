//! What the refresher's loop asks: start what is due, and say when to look again.

use std::sync::atomic::Ordering;

use ssod_model::{Floor, IdentityProvider, ProfileName, SecretStore, SessionName, Timestamp};

use crate::broker::Broker;
use crate::decide::{Readiness, Renew, is_waiting, readiness, renew_token};
use crate::policy::Policy;
use crate::state::{State, is_running};

/// What one look at the clock came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many pieces of work were started.
    pub started: usize,
    /// When something is due next; `None` when nothing ever is, or when all that is due waits for a turn.
    pub next: Option<Timestamp>,
    /// Something is due and may not go out yet: look again when there is [`room`](Broker::room).
    pub wants_room: bool,
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Starts everything that is due and may go out, each in a task of its own.
    pub fn renew_due(&self) -> Round {
        self.0.rounds.send_modify(|rounds| *rounds += 1);
        let (now, policy) = (self.now(), self.policy());
        let mut state = self.state();
        if state.rests() {
            return Round::default();
        }
        state.place_what_changed(now, &policy);
        let mut round = Round { started: self.renew_tokens(&mut state, now), ..Round::default() };
        round.started += self.fetch_due(&mut state, now, &policy, &mut round.wants_room);
        round.started += self.save_due(&mut state, now);
        // What was started moved deadlines, too.
        state.place_what_changed(now, &policy);
        self.0.worked.fetch_add(u64::from(round.started > 0 || round.wants_room), Ordering::Relaxed);
        let waiting = if round.wants_room { None } else { state.deadlines.profiles.first() };
        let save = state.unsaved_credentials.as_ref().map(|unsaved| unsaved.due(state.profiles.len()));
        round.next = state.deadlines.sessions.first().into_iter().chain(waiting).chain(save).min();
        round
    }

    /// Ends when background work may go out to the portal.
    pub async fn room(&self) {
        self.0.portal.room().await;
    }

    /// The network may be another one now, or the machine was asleep: what failed for want of an answer is tried again at
    /// once. What became due meanwhile, the timer on the wall clock knows.
    pub fn try_again(&self) {
        let now = self.now();
        let mut state = self.state();
        let State { sessions, profiles, deadlines, .. } = &mut *state;
        let mut ended = false;
        for (name, session) in sessions {
            if session.failure.as_mut().is_some_and(|failure| failure.end_wait(name, now)) {
                deadlines.sessions.mark(name);
                ended = true;
            }
        }
        for (name, profile) in profiles {
            if profile.failure.as_mut().is_some_and(|failure| failure.end_wait(name, now)) {
                deadlines.profiles.mark(name);
                ended = true;
            }
        }
        drop(state);
        if ended {
            self.wake();
        }
    }

    fn renew_tokens(&self, state: &mut State, now: Timestamp) -> usize {
        let mut started = 0;
        while let Some(name) = state.deadlines.sessions.due(now) {
            state.deadlines.sessions.place(&name, None);
            let Some(session) = state.sessions.get(&name) else { continue };
            if session.unsaved.is_some_and(|at| at <= now) {
                self.start_saving_again(state, &name);
                started += 1;
            } else if matches!(renew_token(now, &session.facts()), Renew::At(at) if at <= now) {
                // What keeps it from starting keeps it from being due, too.
                started += usize::from(self.begin_renewal(state, &name).is_ok());
            } else {
                state.place_session(&name, now);
            }
        }
        started
    }

    /// Fetches what is due, the most urgent first, as long as the portal has turns for what nobody waits for.
    fn fetch_due(&self, state: &mut State, now: Timestamp, policy: &Policy, wants_room: &mut bool) -> usize {
        let mut started = 0;
        while let Some(name) = state.deadlines.profiles.due(now) {
            match state.is_ready(&name, now, policy) {
                None => state.place_profile(&name, now, policy),
                Some((Readiness::Wait, _)) => state.deadlines.profiles.place(&name, None),
                // It comes back when the renewal is over.
                Some((Readiness::RenewToken, session)) => {
                    state.deadlines.profiles.place(&name, None);
                    if !state.is_parked(&name, now) {
                        started += usize::from(self.begin_renewal(state, &session).is_ok());
                    }
                }
                Some((Readiness::Ready, _)) => {
                    let Some(turn) = self.0.portal.try_turn() else {
                        *wants_room = true;
                        break;
                    };
                    state.deadlines.profiles.place(&name, None);
                    started += usize::from(self.begin_fetch(state, &name, now, policy, Some(turn)).is_some());
                }
            }
        }
        started
    }

    fn save_due(&self, state: &mut State, now: Timestamp) -> usize {
        let held = state.profiles.len();
        if state.unsaved_credentials.take_if(|unsaved| unsaved.due(held) <= now).is_none() {
            return 0;
        }
        let broker = self.clone();
        tokio::spawn(async move { broker.write_credentials().await });
        1
    }
}

impl State {
    /// Gives what changed since the last look its new deadlines.
    pub(crate) fn place_what_changed(&mut self, now: Timestamp, policy: &Policy) {
        let mut sessions = self.deadlines.sessions.take_stale();
        let mut profiles = self.deadlines.profiles.take_stale();
        if self.deadlines.look(now) {
            self.end_impossible_waits(now);
        }
        if self.deadlines.take_all_stale() {
            self.deadlines.sessions.clear();
            self.deadlines.profiles.clear();
            sessions = self.sessions.keys().cloned().collect();
            profiles = self.profiles.keys().cloned().collect();
        }
        for name in &sessions {
            self.place_session(name, now);
        }
        for name in &profiles {
            self.place_profile(name, now, policy);
        }
    }

    /// Waits that a clock set which was ahead count for nothing, now and when their time seems near.
    fn end_impossible_waits(&mut self, now: Timestamp) {
        let sessions = self.sessions.values_mut().filter_map(|session| session.failure.as_mut());
        let profiles = self.profiles.values_mut().filter_map(|profile| profile.failure.as_mut());
        for failure in sessions.chain(profiles).filter(|failure| !is_waiting(now, failure.retry_at)) {
            failure.retry_at = failure.retry_at.min(now);
        }
    }

    fn place_session(&mut self, name: &SessionName, now: Timestamp) {
        let at = self.sessions.get(name).and_then(|session| {
            let renewal = match renew_token(now, &session.facts()) {
                Renew::At(at) if !is_running(session.renewal.as_ref()) => Some(at),
                Renew::At(_) | Renew::Never => None,
            };
            renewal.into_iter().chain(session.unsaved).min()
        });
        self.deadlines.sessions.place(name, at);
    }

    fn place_profile(&mut self, name: &ProfileName, now: Timestamp, policy: &Policy) {
        let at = self.renewal_of(name, now, policy).filter(|at| !self.is_parked(name, now.max(*at)));
        self.deadlines.profiles.place(name, at);
    }

    /// When the timer must fetch for that profile.
    pub(crate) fn renewal_of(
        &self,
        name: &ProfileName,
        now: Timestamp,
        policy: &Policy,
    ) -> Option<Timestamp> {
        if is_running(self.profiles.get(name)?.fetch.as_ref()) {
            return None;
        }
        match self.decide(now, name, Floor::CONTAINER, policy)?.renew {
            Renew::At(at) => Some(at),
            Renew::Never => None,
        }
    }

    /// What a fetch that is due needs first, and of which session; `None` where it is not due after all.
    fn is_ready(
        &self,
        name: &ProfileName,
        now: Timestamp,
        policy: &Policy,
    ) -> Option<(Readiness, SessionName)> {
        self.renewal_of(name, now, policy).filter(|at| *at <= now)?;
        let name = &self.profiles.get(name)?.config.as_ref()?.session;
        let session = self.sessions.get(name)?;
        Some((readiness(now, &session.facts()), name.clone()))
    }

    /// Whether, at that time, it waits for the renewal of its session's token that is under way; when that is over, it is placed
    /// anew.
    pub(crate) fn is_parked(&self, name: &ProfileName, at: Timestamp) -> bool {
        let config = self.profiles.get(name).and_then(|profile| profile.config.as_ref());
        config.and_then(|config| self.sessions.get(&config.session)).is_some_and(|session| {
            is_running(session.renewal.as_ref()) && readiness(at, &session.facts()) == Readiness::RenewToken
        })
    }

    /// The deadlines of a session's profiles may be others now. Looks at every profile, once for each renewal of a token.
    pub(crate) fn mark_profiles_of(&mut self, session: &SessionName) {
        for (name, profile) in &self.profiles {
            if profile.config.as_ref().is_some_and(|config| config.session == *session) {
                self.deadlines.profiles.mark(name);
            }
        }
    }
}
