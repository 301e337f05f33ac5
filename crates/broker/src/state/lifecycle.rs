//! The events that affect the whole state: configuration, loading, sealing, stopping.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ssod_model::{
    CachedCredentials, Profile, ProfileName, SessionName, SessionRecord, SsoSession, Timestamp,
};

use super::State;
use super::in_flight::is_in_flight;
use super::phase::SealReason;
use super::profile::HeldCredentials;
use super::session::SignInLocation;

impl State {
    /// Applies the sessions and profiles of the AWS config file.
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
        // An entry with a fetch in progress is kept, so a profile that is added again is not fetched twice.
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
                if let Some(held) = &mut entry.held {
                    held.share_names(profile);
                }
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
        // Work in progress may return the only refresh token that is still valid, so only a change of the portal
        // discards its result. After a change of endpoints, the result is saved, but not used at the new ones.
        let location = SignInLocation::of_session(session);
        let Some(known) = entry.location.replace(location.clone()) else { return };
        if !known.has_same_portal(&location) {
            entry.generation += 1;
        }
        if known != location {
            self.drop_credentials(name, now);
        }
    }

    /// Marks all deadlines, because the user changed the policy.
    pub(crate) fn policy_changed(&mut self) {
        self.deadlines.mark_all_dirty();
    }

    /// Applies what was loaded from the store.
    pub(crate) fn opened(&mut self, records: Vec<SessionRecord>, credentials: Vec<CachedCredentials>) {
        let mut moved = HashSet::new();
        for record in records {
            let entry = self.sessions.entry(record.name.clone()).or_default();
            let location = SignInLocation::of_record(&record);
            // The sign-in belongs to another location than the configured one, and so do its credentials.
            if *entry.location.get_or_insert_with(|| location.clone()) != location {
                moved.insert(record.name.clone());
            }
            entry.record = Some(record);
        }
        for cached in credentials {
            // Without a record of their session, the user has signed out of the credentials.
            let has_record =
                self.sessions.get(&cached.session).is_some_and(|session| session.record.is_some());
            if !has_record || moved.contains(&cached.session) {
                continue;
            }
            let entry = self.profiles.entry(cached.profile).or_default();
            entry.last_used = entry.last_used.max(cached.last_used);
            let (session, role, credentials) = (cached.session, cached.role, cached.credentials);
            let mut held = HeldCredentials { session, role, credentials };
            if let Some(config) = &entry.config {
                held.share_names(config);
            }
            entry.held = Some(held);
        }
        self.phase.opened();
        self.deadlines.mark_all_dirty();
    }

    /// Stops serving; the secrets stay in memory until [`sealed`](Self::sealed).
    pub(crate) fn begin_sealing(&mut self, why: SealReason) {
        self.phase.begin_sealing(why);
    }

    /// Drops tokens and credentials, and discards the results of work in progress. Keeps the configuration, the last
    /// uses and the choice. Returns the sessions whose renewed sign-in is not saved, and therefore lost.
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

    /// Prevents new work, because the daemon stops.
    pub(crate) fn stopping(&mut self) {
        self.phase.stopping();
    }
}
