//! A session's tokens: they are used for calls to the portal, renewed in one task per session, and removed when AWS
//! ends the session.

use std::time::Duration;

use ssod_model::{
    Grant, IdentityError, IdentityProvider, Secret, SecretStore, SessionName, SessionTokens, SsoSession,
    Timestamp, TimestampExt,
};

use crate::broker::Broker;
use crate::decide::{Lifetime, is_waiting, token_usable};
use crate::event::Event;
use crate::state::{BoundToken, Completion, EndReason, OnDrop, RetryState, SessionEntry, State};

/// The delay before the first retry if the record of renewed tokens cannot be saved.
const SAVE_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Why there is no token to call the portal with.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// The user must sign in.
    SignedOut,
    /// There is a token, but AWS never renews this kind.
    NotRenewable,
    /// Renewing failed, and it is too early to retry.
    Waiting,
    /// The call itself failed.
    Identity(IdentityError),
}

/// The access token in memory.
struct HeldToken {
    token: BoundToken,
    /// Whether it stays valid for the duration of a call.
    usable: bool,
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Returns a signed-in session's access token and its expiration, which may have passed.
    pub fn access_token(&self, name: &SessionName) -> Option<(Secret, Timestamp)> {
        let state = self.state();
        if state.not_open().is_some() {
            return None;
        }
        let tokens = state.session(name)?.tokens()?;
        Some((tokens.access_token.clone(), tokens.expires_at))
    }

    /// Returns the access token. One that is about to expire is renewed first.
    pub(crate) async fn usable_token(&self, name: &SessionName) -> Result<BoundToken, TokenError> {
        let HeldToken { token, usable } = self.token(name)?;
        if usable {
            return Ok(token);
        }
        match self.token_instead_of(name, &token.secret).await {
            Err(TokenError::SignedOut) => Err(TokenError::SignedOut),
            Ok(renewed) => Ok(renewed),
            // A token that is valid for a few more seconds is better than none.
            Err(error) => self.unexpired_token(name).ok_or(error),
        }
    }

    /// Returns a token other than `old`: from the renewal in progress, or from a new renewal. If the machine was
    /// suspended during the renewal, the new token may have expired when it arrives, so there is a second attempt.
    pub(crate) async fn token_instead_of(
        &self,
        name: &SessionName,
        old: &Secret,
    ) -> Result<BoundToken, TokenError> {
        for _ in 0..2 {
            let HeldToken { token, usable } = self.token(name)?;
            if usable && token.secret != *old {
                return Ok(token);
            }
            let retry_at = self.state().session(name).and_then(SessionEntry::retry).map(RetryState::retry_at);
            if retry_at.is_some_and(|retry_at| is_waiting(self.now(), retry_at)) {
                return Err(TokenError::Waiting);
            }
            let renewal = self.begin_renewal(&mut self.state(), name)?;
            renewal.wait().await;
        }
        match self.token(name)? {
            HeldToken { token, .. } if token.secret != *old => Ok(token),
            HeldToken { .. } => Err(TokenError::Waiting),
        }
    }

    /// Joins the renewal in progress, or starts one.
    pub(crate) fn begin_renewal(
        &self,
        state: &mut State,
        name: &SessionName,
    ) -> Result<Completion, TokenError> {
        let entry = state.session(name).ok_or(TokenError::SignedOut)?;
        if let Some(completion) = entry.joinable_renewal() {
            return Ok(completion);
        }
        // Sealing and a stop wait only for the renewals in progress; a new one would end too late to be saved.
        if !state.accepts_work() {
            return Err(TokenError::Waiting);
        }
        let (Some(session), Some(tokens)) = (entry.config().cloned(), entry.tokens().cloned()) else {
            return Err(TokenError::SignedOut);
        };
        let refresh_token = tokens.refresh_token.clone().ok_or(TokenError::NotRenewable)?;
        let generation = entry.generation();
        let (completer, completion) = state.renewal_started(name);
        let broker = self.clone();
        tokio::spawn(async move {
            let _reschedule = OnDrop(|| {
                broker.state().renewal_ended(&session.name, generation);
                broker.wake();
            });
            let grant = Grant::RefreshToken(refresh_token);
            let outcome = broker.0.provider.create_token(&session, &tokens.client, grant).await;
            broker.finish_renewal(&session, generation, outcome).await;
            completer.complete();
        });
        Ok(completion)
    }

    async fn finish_renewal(
        &self,
        session: &SsoSession,
        generation: u64,
        outcome: Result<SessionTokens, IdentityError>,
    ) {
        let name = &session.name;
        match outcome {
            Ok(tokens) => self.store_renewed(session, generation, tokens).await,
            Err(IdentityError::GrantRejected) => self.end_session(name, generation, EndReason::Grant).await,
            Err(IdentityError::RegistrationRejected) => {
                self.end_session(name, generation, EndReason::Client).await;
            }
            Err(error) => {
                let now = self.now();
                if let Some(retry) = self.state().renewal_failed(name, generation, &error, now) {
                    let retry_at = retry.retry_at();
                    tracing::warn!(session = %name, %error, %retry_at, "cannot renew the sign-in");
                }
            }
        }
    }

    /// Saves renewed tokens before anything uses them. AWS invalidates a single-use refresh token when it answers, so a
    /// crash between its answer and the end of this save loses the sign-in. A client cannot prevent that; the
    /// simulation kills the daemon at each step around it and finds no other loss. If the disk fails, the tokens are
    /// used nevertheless, because the old refresh token is no longer valid, and saving is retried.
    async fn store_renewed(&self, session: &SsoSession, generation: u64, tokens: SessionTokens) {
        let name = &session.name;
        let permit = self.write_permit().await;
        let record = {
            let state = self.state();
            let Some(entry) = state.session_at(name, generation) else { return };
            let mut record = entry.record_for(session);
            record.tokens = Some(tokens);
            record
        };
        let (_permit, saved) = self.save_record(permit, &record).await;
        let now = self.now();
        let save_at = saved.as_ref().err().map(|_| now.plus(SAVE_AGAIN_AFTER));
        if !self.state().renewed(generation, record, save_at, now) {
            return;
        }
        match saved {
            Ok(()) => tracing::debug!(session = %name, "sign-in renewed"),
            Err(error) => tracing::error!(session = %name, %error, "the renewed sign-in is in memory only"),
        }
        self.send(Event::TokenChanged(name.clone()));
    }

    /// Records that AWS ended a session. Its credentials are served until they expire.
    pub(crate) async fn end_session(&self, name: &SessionName, generation: u64, why: EndReason) {
        let permit = self.write_permit().await;
        let Some(record) = self.state().session_ended(name, generation, why) else { return };
        tracing::warn!(session = %name, %why, "the session has ended; the user must sign in");
        if let (_permit, Err(error)) = self.save_record(permit, &record).await {
            tracing::error!(session = %name, %error, "the end of the session is in memory only");
        }
        self.send(Event::Ended { session: name.clone(), reason: why.to_string() });
    }

    /// Returns the token from memory; fails if there is none, or if it has expired and cannot be renewed.
    fn token(&self, name: &SessionName) -> Result<HeldToken, TokenError> {
        let now = self.now();
        let state = self.state();
        let entry = state.session(name).ok_or(TokenError::SignedOut)?;
        let tokens = entry.tokens().ok_or(TokenError::SignedOut)?;
        let token = entry.access_token().ok_or(TokenError::SignedOut)?;
        let life = Lifetime { issued_at: tokens.issued_at, expires_at: tokens.expires_at };
        match tokens.refresh_token {
            Some(_) => Ok(HeldToken { token, usable: token_usable(now, life) }),
            None if now < tokens.expires_at => Ok(HeldToken { token, usable: true }),
            None => Err(TokenError::SignedOut),
        }
    }

    fn unexpired_token(&self, name: &SessionName) -> Option<BoundToken> {
        let now = self.now();
        let state = self.state();
        let entry = state.session(name)?;
        entry.access_token().filter(|_| entry.tokens().is_some_and(|tokens| now < tokens.expires_at))
    }
}
