//! What happens to the whole state: configuration, loading, sealing, stopping.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ssod_model::{
    CachedCredentials, Profile, ProfileName, SessionName, SessionRecord, SsoSession, Timestamp,
};

use super::State;
use super::in_flight::is_in_flight;
use super::phase::SealReason;
use super::profile::HeldCredentials;

impl State {
    /// The AWS config file has these sessions and profiles now.
    pub(crate) fn configured(
        &mut self,
        sessions: &BTreeMap<SessionName, SsoSession>,
        profiles: &BTreeMap<ProfileName, Profile>,
        now: Timestamp,
    ) {
        for (name, entry) in &mut self.sessions {
            if !sessions.contains_key(name) {
                entry.config = None;
            }
        }
        for (name, session) in sessions {
            self.session_configured(name, session, now);
        }
        // A fetch under way is remembered, so a profile that comes back is not fetched twice.
        self.profiles.retain(|name, entry| {
            entry.held.is_some() || is_in_flight(entry.fetch.as_ref()) || profiles.contains_key(name)
        });
        for (name, entry) in &mut self.profiles {
            if !profiles.contains_key(name) {
                entry.config = None;
            }
        }
        for (name, profile) in profiles {
            let entry = self.profiles.entry(name.clone()).or_default();
            if entry.config.as_deref() != Some(profile) {
                entry.config = Some(Arc::new(profile.clone()));
                entry.retry = None;
            }
        }
        self.deadlines.mark_all_dirty();
    }

    fn session_configured(&mut self, name: &SessionName, session: &SsoSession, now: Timestamp) {
        let entry = self.sessions.entry(name.clone()).or_default();
        if entry.config.as_deref() == Some(session) {
            return;
        }
        entry.config = Some(Arc::new(session.clone()));
        entry.retry = None;
        // Only another location voids work under way: its answer may carry the only refresh token that is still valid.
        let location = (session.start_url.clone(), session.region.clone());
        if entry.location.replace(location.clone()).is_some_and(|known| known != location) {
            entry.generation += 1;
            self.drop_credentials(name, now);
        }
    }

    /// The user changed the policy, so all deadlines may change.
    pub(crate) fn policy_changed(&mut self) {
        self.deadlines.mark_all_dirty();
    }

    /// The store was read.
    pub(crate) fn opened(&mut self, records: Vec<SessionRecord>, credentials: Vec<CachedCredentials>) {
        let mut moved = HashSet::new();
        for record in records {
            let entry = self.sessions.entry(record.name.clone()).or_default();
            let location = (record.start_url.clone(), record.region.clone());
            // The sign-in was at another location than the session now names, so its credentials are not the session's.
            if *entry.location.get_or_insert_with(|| location.clone()) != location {
                moved.insert(record.name.clone());
            }
            entry.record = Some(record);
        }
        for cached in credentials {
            // Without a record of its session, the user has signed out of the credentials.
            let has_record =
                self.sessions.get(&cached.session).is_some_and(|session| session.record.is_some());
            if !has_record || moved.contains(&cached.session) {
                continue;
            }
            let entry = self.profiles.entry(cached.profile).or_default();
            entry.last_used = entry.last_used.max(cached.last_used);
            let (session, role, credentials) = (cached.session, cached.role, cached.credentials);
            entry.held = Some(HeldCredentials { session, role, credentials });
        }
        self.phase.opened();
        self.deadlines.mark_all_dirty();
    }

    /// Serving ends now; what is in memory stays until [`sealed`](Self::sealed).
    pub(crate) fn begin_sealing(&mut self, why: SealReason) {
        self.phase.begin_sealing(why);
    }

    /// Tokens and credentials are dropped, and work under way becomes void; configuration, use and choices stay.
    /// Returns the sessions whose renewed sign-in is not saved, and therefore lost.
    pub(crate) fn sealed(&mut self, why: SealReason) -> Vec<SessionName> {
        let mut lost = Vec::new();
        for (name, session) in &mut self.sessions {
            if session.save_at.take().is_some() {
                lost.push(name.clone());
            }
            session.generation += 1;
            session.record = None;
            session.retry = None;
        }
        for profile in self.profiles.values_mut() {
            profile.held = None;
            profile.retry = None;
        }
        self.unsaved_credentials = None;
        self.phase.sealed(why);
        lost
    }

    /// The daemon stops.
    pub(crate) fn stopping(&mut self) {
        self.phase.stopping();
    }
}
