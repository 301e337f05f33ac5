//! The broker's state. Other modules read it, and change it through methods that are named after events, so each
//! transition is in one place.

mod due;
mod in_flight;
mod lifecycle;
mod phase;
mod profile;
mod profile_events;
mod retry;
mod session;
mod session_events;
mod unsaved;

use std::collections::HashMap;

use ssod_model::{CachedCredentials, Floor, ProfileName, SessionName, Timestamp};

use crate::choice::CurrentChoice;
use crate::decide::{ProfileDecision, decide};
use crate::policy::Policy;
use crate::schedule::deadlines::Deadlines;

pub(crate) use in_flight::{Completion, OnDrop};
pub use phase::{NotOpen, SealReason};
pub(crate) use profile::{FetchJob, ProfileEntry};
pub(crate) use retry::RetryState;
pub use session::BoundToken;
pub(crate) use session::{EndReason, SessionEntry, SessionStep, SignedOut};

use phase::Phase;
use unsaved::UnsavedCredentials;

/// The state of all sessions and profiles.
#[derive(Default)]
pub(crate) struct State {
    sessions: HashMap<SessionName, SessionEntry>,
    /// Boxed, because a third of a hash table's places are empty: with 10,000 profiles, 1.5 MB less.
    profiles: HashMap<ProfileName, Box<ProfileEntry>>,
    choice: CurrentChoice,
    deadlines: Deadlines,
    /// How far the cached credentials on disk are behind those in memory.
    unsaved_credentials: Option<UnsavedCredentials>,
    phase: Phase,
}

impl State {
    /// Returns a session, configured or not.
    pub(crate) fn session(&self, name: &SessionName) -> Option<&SessionEntry> {
        self.sessions.get(name)
    }

    /// Returns a session, unless the user signed in or out (or its location changed) since that generation.
    pub(crate) fn session_at(&self, name: &SessionName, generation: u64) -> Option<&SessionEntry> {
        self.sessions.get(name).filter(|entry| entry.generation == generation)
    }

    fn session_at_mut(&mut self, name: &SessionName, generation: u64) -> Option<&mut SessionEntry> {
        self.sessions.get_mut(name).filter(|entry| entry.generation == generation)
    }

    /// Returns a session's generation; that of an unknown session is 0.
    pub(crate) fn generation(&self, name: &SessionName) -> u64 {
        self.sessions.get(name).map_or(0, SessionEntry::generation)
    }

    /// Returns a profile, configured or not.
    pub(crate) fn profile(&self, name: &ProfileName) -> Option<&ProfileEntry> {
        self.profiles.get(name).map(Box::as_ref)
    }

    /// Returns all sessions, configured or not, in no order.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (&SessionName, &SessionEntry)> {
        self.sessions.iter()
    }

    /// Returns all profiles, configured or not, in no order.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = (&ProfileName, &ProfileEntry)> {
        self.profiles.iter().map(|(name, entry)| (name, entry.as_ref()))
    }

    /// Returns the choice of the active profile.
    pub(crate) fn choice(&self) -> &CurrentChoice {
        &self.choice
    }

    /// Returns the choice of the active profile, to change it.
    pub(crate) fn choice_mut(&mut self) -> &mut CurrentChoice {
        &mut self.choice
    }

    /// Returns whether new work may start.
    pub(crate) fn accepts_work(&self) -> bool {
        self.phase.accepts_work()
    }

    /// Returns whether the stored secrets are in memory.
    pub(crate) fn holds_secrets(&self) -> bool {
        self.phase.holds_secrets()
    }

    /// Returns why nothing is served; `None` if the broker serves.
    pub(crate) fn not_open(&self) -> Option<NotOpen> {
        self.phase.not_open()
    }

    /// Returns the decision for a configured profile; `None` for any other.
    pub(crate) fn decide(
        &self,
        now: Timestamp,
        name: &ProfileName,
        floor: Floor,
        policy: &Policy,
    ) -> Option<ProfileDecision> {
        let profile = self.profiles.get(name)?;
        let config = profile.config.as_ref()?;
        let session = self.sessions.get(&config.session)?.facts_for(config);
        Some(decide(now, &session, &profile.facts(now, policy), floor))
    }

    /// Returns the unexpired credentials, as they are saved.
    pub(crate) fn cached_credentials(&self, now: Timestamp) -> Vec<CachedCredentials> {
        self.profiles.iter().filter_map(|(name, profile)| profile.cached(name, now)).collect()
    }
}
