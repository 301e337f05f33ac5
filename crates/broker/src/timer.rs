//! What the refresher's loop asks: when is something due, and start what is.

use std::collections::HashSet;

use ssod_model::{Clock, Floor, IdentityProvider, SecretStore, Timestamp, TimestampExt};

use crate::decide::{Renew, renew_token};
use crate::state::is_running;
use crate::{Broker, persist};

impl<P: IdentityProvider, S: SecretStore, C: Clock> Broker<P, S, C> {
    /// When the timer must next act; `None` when nothing is ever due.
    pub fn next_renewal(&self) -> Option<Timestamp> {
        let (now, policy) = (self.now(), self.policy());
        let state = self.state();
        if state.rests() {
            return None;
        }
        let sessions = state.sessions.values().filter(|session| !is_running(session.renewal.as_ref()));
        let tokens = sessions.clone().map(|session| renew_token(now, &session.facts()));
        let unsaved = sessions.filter_map(|session| session.unsaved);
        let idle = state.profiles.iter().filter(|(_, profile)| !is_running(profile.fetch.as_ref()));
        let credentials =
            idle.filter_map(|(name, _)| Some(state.decide(now, name, Floor::CONTAINER, &policy)?.renew));
        let renewals = tokens.chain(credentials).filter_map(|renew| match renew {
            Renew::At(at) => Some(at),
            Renew::Never => None,
        });
        let save = state.unsaved_credentials.map(|since| since.plus(persist::SAVE_CREDENTIALS_AFTER));
        renewals.chain(unsaved).chain(save).min()
    }

    /// Starts everything that is due, each in a task of its own.
    pub fn renew_due(&self) {
        let (now, policy) = (self.now(), self.policy());
        let due = |renew| matches!(renew, Renew::At(at) if at <= now);
        let mut state = self.state();
        if state.rests() {
            return;
        }
        let tokens: Vec<_> = state
            .sessions
            .iter()
            .filter(|(_, session)| {
                !is_running(session.renewal.as_ref()) && due(renew_token(now, &session.facts()))
            })
            .map(|(name, _)| name.clone())
            .collect();
        let renewing: HashSet<_> = tokens.iter().cloned().collect();
        let credentials: Vec<_> = state
            .profiles
            .iter()
            .filter(|(name, profile)| {
                let session = profile.config.as_ref().map(|config| &config.session);
                // A fetch under a token that is being renewed would only wait for it.
                !is_running(profile.fetch.as_ref())
                    && !session.is_some_and(|session| renewing.contains(session))
                    && state
                        .decide(now, name, Floor::CONTAINER, &policy)
                        .is_some_and(|decision| due(decision.renew))
            })
            .map(|(name, _)| name.clone())
            .collect();
        let unsaved: Vec<_> = state
            .sessions
            .iter()
            .filter(|(_, session)| session.unsaved.is_some_and(|at| at <= now))
            .map(|(name, _)| name.clone())
            .collect();
        let save =
            state.unsaved_credentials.take_if(|since| since.plus(persist::SAVE_CREDENTIALS_AFTER) <= now);
        drop(state);
        for session in tokens {
            // What keeps it from starting keeps it from being due, too.
            let _ = self.start_token_renewal(&session);
        }
        for profile in credentials {
            self.start_fetch(&profile, false);
        }
        for session in unsaved {
            self.start_saving_again(&session);
        }
        if save.is_some() {
            let broker = self.clone();
            tokio::spawn(async move { broker.write_credentials().await });
        }
    }
}
