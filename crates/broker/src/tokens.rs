//! A session's tokens: handed to whoever calls the portal, renewed in one task per session, ended when AWS ends them.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use ssod_model::{
    Grant, IdentityError, IdentityProvider, Secret, SecretStore, SessionName, SessionTokens, SsoSession,
    Timestamp, TimestampExt,
};
use tokio::sync::watch;

use crate::broker::Broker;
use crate::decide::{Lifetime, RETRY_MAX, is_waiting, token_usable};
use crate::event::Event;
use crate::limiter::Turn;
use crate::state::{Done, Failure, FailureKind, Over, Running, State, to_join};

/// A record that could not be saved is tried again after this.
const SAVE_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A session is over when the portal refuses so many tokens in a row. The second may come from a renewal that was under way
/// before the machine slept, or by a clock that was wrong; the third one is new.
const REFUSALS: usize = 3;

/// Why there is no token to call the portal with.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// Somebody must sign in.
    SignedOut,
    /// There is a token, but AWS never renews this kind.
    NotRenewable,
    /// Renewing failed, and it is not yet time to try again.
    Waiting,
    /// The call itself failed.
    Identity(IdentityError),
}

/// Why AWS no longer takes a session's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The refresh token is dead.
    Grant,
    /// The client that signed in is forgotten.
    Client,
    /// The portal refuses even a new token.
    Portal,
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Grant => "the sign-in has ended at AWS",
            Self::Client => "AWS no longer knows the client that signed in",
            Self::Portal => "the portal no longer accepts its tokens",
        })
    }
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// A signed-in session's access token and its end, which may have passed; for those who pass it on.
    pub fn access_token(&self, name: &SessionName) -> Option<(Secret, Timestamp)> {
        let state = self.state();
        let tokens = state.sessions.get(name).filter(|_| state.closed.is_none())?.tokens()?;
        Some((tokens.access_token.clone(), tokens.expires_at))
    }

    /// Calls the portal for somebody who lists accounts and roles; `Unauthorized` means that somebody must sign in.
    pub async fn portal<T, F>(
        &self,
        name: &SessionName,
        call: impl Fn(Secret) -> F,
    ) -> Result<T, IdentityError>
    where
        F: Future<Output = Result<T, IdentityError>>,
    {
        self.call_portal(name, None, call).await.map_err(|error| match error {
            TokenError::SignedOut | TokenError::NotRenewable => IdentityError::Unauthorized,
            TokenError::Waiting => {
                IdentityError::Unavailable("the sign-in could not be renewed yet".to_owned())
            }
            TokenError::Identity(error) => error,
        })
    }

    /// Calls the portal in turn; the timer brings the first turn along. A token that the portal refuses is renewed.
    pub(crate) async fn call_portal<T, F>(
        &self,
        name: &SessionName,
        turn: Option<Turn>,
        call: impl Fn(Secret) -> F,
    ) -> Result<T, TokenError>
    where
        F: Future<Output = Result<T, IdentityError>>,
    {
        let generation = self.generation(name);
        let polite = async |token, turn: Option<Turn>| {
            let _turn = match turn {
                Some(turn) => turn,
                None => self.0.portal.turn().await,
            };
            let outcome = call(token).await;
            match &outcome {
                Err(IdentityError::Throttled { retry_after }) => self.0.portal.refused(*retry_after),
                // No answer says nothing about the rate.
                Err(IdentityError::Unavailable(_)) => {}
                _ => self.0.portal.answered(),
            }
            outcome.map_err(TokenError::Identity)
        };
        let (mut token, mut turn) = (self.usable_token(name).await?, turn);
        for refused in 1..=REFUSALS {
            match polite(token.clone(), turn.take()).await {
                Err(TokenError::Identity(IdentityError::Unauthorized)) => {}
                outcome => return outcome,
            }
            if refused == REFUSALS {
                break;
            }
            // Somebody signed in or out meanwhile: what this call would bring counts for nothing.
            if self.generation(name) != generation {
                return Err(TokenError::Waiting);
            }
            token = match self.token_instead_of(name, &token).await {
                Ok(renewed) => renewed,
                Err(TokenError::NotRenewable) => break,
                Err(error) => return Err(error),
            };
        }
        self.end_session(name, generation, Ended::Portal).await;
        Err(TokenError::SignedOut)
    }

    /// See [`SessionEntry::generation`](crate::state::SessionEntry).
    pub(crate) fn generation(&self, name: &SessionName) -> u64 {
        self.state().sessions.get(name).map_or(0, |entry| entry.generation)
    }

    /// The access token, renewed first where it is about to end.
    async fn usable_token(&self, name: &SessionName) -> Result<Secret, TokenError> {
        match self.token(name)? {
            (token, true) => Ok(token),
            (token, false) => match self.token_instead_of(name, &token).await {
                Err(TokenError::SignedOut) => Err(TokenError::SignedOut),
                Ok(renewed) => Ok(renewed),
                // A token that has seconds left is better than none.
                Err(error) => self.unexpired_token(name).ok_or(error),
            },
        }
    }

    /// Another token than this one: the renewal's under way, or a new renewal's. A token that was renewed before the machine
    /// slept is over when it comes, and is renewed once more.
    async fn token_instead_of(&self, name: &SessionName, old: &Secret) -> Result<Secret, TokenError> {
        for _ in 0..2 {
            if let (token, true) = self.token(name)?
                && token != *old
            {
                return Ok(token);
            }
            let waiting =
                self.state().sessions.get(name).and_then(|entry| Some(entry.failure.as_ref()?.retry_at));
            if waiting.is_some_and(|retry_at| is_waiting(self.now(), retry_at)) {
                return Err(TokenError::Waiting);
            }
            let mut done = self.start_token_renewal(name)?;
            // An error means that the task is gone; what it left behind is looked at all the same.
            let _ = done.wait_for(|done| *done).await;
        }
        match self.token(name)? {
            (token, _) if token != *old => Ok(token),
            _ => Err(TokenError::Waiting),
        }
    }

    /// Joins the renewal that is under way, or starts one.
    fn start_token_renewal(&self, name: &SessionName) -> Result<Done, TokenError> {
        self.begin_renewal(&mut self.state(), name)
    }

    /// The same while the state is held.
    pub(crate) fn begin_renewal(&self, state: &mut State, name: &SessionName) -> Result<Done, TokenError> {
        let rests = state.rests();
        let entry = state.sessions.get_mut(name).ok_or(TokenError::SignedOut)?;
        if let Some(done) = to_join(entry.renewal.as_ref(), entry.generation) {
            return Ok(done);
        }
        // A lock and a stop wait for the renewals under way; one more would come too late to be kept.
        if rests {
            return Err(TokenError::Waiting);
        }
        let (Some(session), Some(tokens)) = (entry.config.clone(), entry.tokens().cloned()) else {
            return Err(TokenError::SignedOut);
        };
        let generation = entry.generation;
        let refresh_token = tokens.refresh_token.clone().ok_or(TokenError::NotRenewable)?;
        let (finished, done) = watch::channel(false);
        entry.renewal = Some(Running { done: done.clone(), generation });
        state.deadlines.sessions.mark(name);
        state.mark_profiles_of(name);
        let broker = self.clone();
        tokio::spawn(async move {
            // Also where the task panics, the session and whatever waits for it have deadlines again.
            let _over = Over(|| {
                let mut state = broker.state();
                if let Some(entry) = state.sessions.get_mut(&session.name) {
                    entry.renewal.take_if(|running| running.generation == generation);
                }
                state.deadlines.sessions.mark(&session.name);
                state.mark_profiles_of(&session.name);
                drop(state);
                broker.wake();
            });
            let grant = Grant::RefreshToken(refresh_token);
            let outcome = broker.0.provider.create_token(&session, &tokens.client, grant).await;
            broker.finish_renewal(&session, generation, outcome).await;
            // All receivers gone means that nobody waits any more.
            let _ = finished.send(true);
        });
        Ok(done)
    }

    async fn finish_renewal(
        &self,
        session: &SsoSession,
        generation: u64,
        outcome: Result<SessionTokens, IdentityError>,
    ) {
        let name = &session.name;
        let error = match outcome {
            Ok(tokens) => return self.keep_renewed(session, generation, tokens).await,
            Err(error) => error,
        };
        match error {
            IdentityError::GrantRejected => {
                self.end_session(name, generation, Ended::Grant).await;
            }
            IdentityError::RegistrationRejected => {
                self.end_session(name, generation, Ended::Client).await;
            }
            error => {
                let now = self.now();
                let mut state = self.state();
                let Some(entry) = state.sessions.get_mut(name).filter(|entry| entry.generation == generation)
                else {
                    return;
                };
                let life = entry.tokens().map(|tokens| tokens.expires_at.since_or_zero(tokens.issued_at));
                let failure = Failure::after(&error, entry.failure.as_ref(), life, name, now);
                tracing::warn!(session = %name, %error, retry_at = %failure.retry_at, "cannot renew the sign-in");
                entry.failure = Some(failure);
            }
        }
    }

    /// Seals renewed tokens before anything uses them. How far a crash can be survived: AWS spends a single-use refresh token when
    /// it answers, so a crash between its answer and the end of this save loses the sign-in, and nothing on this side can change
    /// that; the simulation dies at each step around it, and finds no other. Where the disk refuses, they are used all the same (the
    /// old refresh token is spent, so keeping them back would lose the sign-in) and saving is tried again.
    async fn keep_renewed(&self, session: &SsoSession, generation: u64, tokens: SessionTokens) {
        let name = &session.name;
        let order = self.order().await;
        let life = tokens.expires_at.since_or_zero(tokens.issued_at);
        let record = {
            let state = self.state();
            let entry = state.sessions.get(name).filter(|entry| entry.generation == generation);
            let Some(entry) = entry else { return };
            let mut record = entry.record_for(session);
            record.tokens = Some(tokens);
            record
        };
        let (_order, saved) = self.save_record(order, &record).await;
        let now = self.now();
        let mut state = self.state();
        let Some(entry) = state.sessions.get_mut(name).filter(|entry| entry.generation == generation) else {
            return;
        };
        entry.record = Some(record);
        // A token that is over as it comes must not be renewed at once and for ever.
        let reason = "AWS's new token is over already".to_owned();
        let kind = FailureKind::Other;
        let again = Failure { count: 1, retry_at: now.plus(RETRY_MAX), reason, kind };
        entry.failure = (life < Duration::from_secs(1)).then_some(again);
        entry.unsaved = saved.as_ref().err().map(|_| now.plus(SAVE_AGAIN_AFTER));
        match saved {
            Ok(()) => tracing::debug!(session = %name, "sign-in renewed"),
            Err(error) => tracing::error!(session = %name, %error, "the renewed sign-in is in memory only"),
        }
        drop(state);
        self.tell(Event::TokenChanged(name.clone()));
    }

    /// Ends a session that AWS ended. Credentials that it brought are served to their end.
    async fn end_session(&self, name: &SessionName, generation: u64, why: Ended) {
        let order = self.order().await;
        let record = {
            let mut state = self.state();
            let entry = state.sessions.get_mut(name).filter(|entry| entry.generation == generation);
            let Some(entry) = entry else { return };
            entry.generation += 1;
            entry.failure = None;
            entry.ended = Some(why.to_string());
            let Some(record) = entry.record.as_mut() else { return };
            let spent = record.tokens.take().map(|tokens| tokens.client.client_id);
            if why == Ended::Client {
                record.registrations.retain(|_, client| Some(&client.client_id) != spent.as_ref());
            }
            let record = record.clone();
            state.deadlines.sessions.mark(name);
            state.mark_profiles_of(name);
            record
        };
        tracing::warn!(session = %name, %why, "the session has ended; somebody must sign in");
        if let (_order, Err(error)) = self.save_record(order, &record).await {
            tracing::error!(session = %name, %error, "the session's end is in memory only");
        }
        self.tell(Event::Ended { session: name.clone(), reason: why.to_string() });
    }

    /// The token and whether it lasts for a call; refuses where there is none or it cannot be renewed.
    fn token(&self, name: &SessionName) -> Result<(Secret, bool), TokenError> {
        let now = self.now();
        let state = self.state();
        let tokens =
            state.sessions.get(name).and_then(|entry| entry.tokens()).ok_or(TokenError::SignedOut)?;
        let life = Lifetime { issued_at: tokens.issued_at, expires_at: tokens.expires_at };
        if tokens.refresh_token.is_none() {
            let alive = now < tokens.expires_at;
            return if alive { Ok((tokens.access_token.clone(), true)) } else { Err(TokenError::SignedOut) };
        }
        Ok((tokens.access_token.clone(), token_usable(now, life)))
    }

    fn unexpired_token(&self, name: &SessionName) -> Option<Secret> {
        let now = self.now();
        let state = self.state();
        let tokens = state.sessions.get(name)?.tokens()?;
        (now < tokens.expires_at).then(|| tokens.access_token.clone())
    }
}
