//! Tokens: renewed in one task per session, replaced by a sign-in, dropped by a sign-out.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    ClientRegistration, Clock, Grant, IdentityError, IdentityProvider, ProfileName, Secret, SecretStore,
    SessionName, SessionRecord, SessionTokens, SignInFlow, SsoSession, StoreError, Timestamp, TimestampExt,
};
use thiserror::Error;
use tokio::sync::watch;

use crate::Broker;
use crate::decide::{Lifetime, RETRY_MAX, backoff, is_waiting, seed, token_usable};
use crate::state::{Done, Failure, Running, State, to_join};

/// A registration that ends sooner is not used for a new sign-in: the AWS CLI keeps the same margin.
const REGISTRATION_MARGIN: Duration = Duration::from_mins(15);
/// A record that could not be saved is tried again after this.
const SAVE_AGAIN_AFTER: Duration = Duration::from_secs(5);

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

/// Why a sign-in did not come about.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignInError {
    /// There is no such session (any more).
    #[error("session \"{0}\" is not in the AWS config file")]
    NoSession(SessionName),
    /// Identity Center said no, or nothing.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It could not be saved, so it does not count.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a sign-out did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    /// The session.
    pub session: SessionName,
    /// Whether it was signed in.
    pub was_signed_in: bool,
    /// Credentials that AWS issued and nobody can recall, with their end.
    pub still_valid: Vec<(ProfileName, Timestamp)>,
    /// Why AWS could not be told, where it could not.
    pub not_told: Option<String>,
}

/// A sign-in under way; the session shows it until this is dropped.
pub struct SigningIn<P: IdentityProvider, S: SecretStore, C: Clock> {
    broker: Broker<P, S, C>,
    session: Arc<SsoSession>,
}

impl<P: IdentityProvider, S: SecretStore, C: Clock> SigningIn<P, S, C> {
    /// The session as it is configured.
    pub fn session(&self) -> &SsoSession {
        &self.session
    }

    /// The kept registration for that flow, or a new one, kept before it is used.
    pub async fn client(&self, flow: SignInFlow) -> Result<ClientRegistration, SignInError> {
        let now = self.broker.now();
        let kept = {
            let state = self.broker.state();
            let entry = state.sessions.get(&self.session.name);
            entry.and_then(|entry| entry.record_for(&self.session).registrations.remove(&flow))
        };
        if let Some(client) = kept.filter(|client| client.expires_at > now.plus(REGISTRATION_MARGIN)) {
            return Ok(client);
        }
        let client = self.broker.0.provider.register_client(&self.session, flow).await?;
        let made = client.clone();
        let keep = |record: &mut SessionRecord| drop(record.registrations.insert(flow, made));
        self.broker.update_record(&self.session, keep, |_| {}).await?;
        Ok(client)
    }

    /// Forgets the registration: Identity Center no longer knows it.
    pub async fn forget_client(&self, flow: SignInFlow) -> Result<(), StoreError> {
        let forget = |record: &mut SessionRecord| drop(record.registrations.remove(&flow));
        self.broker.update_record(&self.session, forget, |_| {}).await
    }

    /// Takes the tokens over. Credentials of whoever was signed in before are dropped; the profile that the
    /// person named counts as used, so that its credentials are there when they are asked for. It is done whole, also
    /// where whoever waits for it goes away.
    pub async fn complete(
        self,
        tokens: SessionTokens,
        named: Option<&ProfileName>,
    ) -> Result<(), StoreError> {
        let named = named.cloned();
        let completing = tokio::spawn(async move {
            let (broker, name, now) = (&self.broker, &self.session.name, self.broker.now());
            let replace = |record: &mut SessionRecord| record.tokens = Some(tokens);
            let publish = |state: &mut State| {
                if let Some(entry) = state.sessions.get_mut(name) {
                    entry.generation += 1;
                    entry.ended = None;
                    entry.failure = None;
                    entry.unsaved = None;
                }
                state.drop_credentials(name, now);
            };
            broker.update_record(&self.session, replace, publish).await?;
            if let Some(named) = named {
                broker.used(&named, None);
            }
            broker.wake();
            tracing::info!(session = %name, "signed in");
            Ok(())
        });
        completing.await.unwrap_or_else(|error| Err(StoreError(error.to_string())))
    }
}

impl<P: IdentityProvider, S: SecretStore, C: Clock> Drop for SigningIn<P, S, C> {
    fn drop(&mut self) {
        if let Some(entry) = self.broker.state().sessions.get_mut(&self.session.name) {
            entry.signing_in = entry.signing_in.saturating_sub(1);
        }
    }
}

impl<P: IdentityProvider, S: SecretStore, C: Clock> Broker<P, S, C> {
    /// Begins a sign-in; what is served stays as it is until it is complete.
    pub fn begin_sign_in(&self, name: &SessionName) -> Result<SigningIn<P, S, C>, SignInError> {
        let mut state = self.state();
        let entry = state.sessions.get_mut(name);
        let (entry, session) = entry
            .and_then(|entry| entry.config.clone().map(|session| (entry, session)))
            .ok_or_else(|| SignInError::NoSession(name.clone()))?;
        entry.signing_in += 1;
        Ok(SigningIn { broker: self.clone(), session })
    }

    /// Signs out: handing out stops at once, then the disk forgets, then AWS is told. It is done whole, also where
    /// whoever waits for it goes away.
    pub async fn logout(&self, name: &SessionName) -> Result<Logout, StoreError> {
        let (broker, name) = (self.clone(), name.clone());
        let signing_out = tokio::spawn(async move { broker.sign_out(&name).await });
        signing_out.await.unwrap_or_else(|error| Err(StoreError(error.to_string())))
    }

    async fn sign_out(&self, name: &SessionName) -> Result<Logout, StoreError> {
        let now = self.now();
        let (config, tokens, still_valid) = {
            let mut state = self.state();
            let Some(entry) = state.sessions.get_mut(name) else {
                return Ok(Logout {
                    session: name.clone(),
                    was_signed_in: false,
                    still_valid: vec![],
                    not_told: None,
                });
            };
            entry.generation += 1;
            entry.ended = None;
            entry.failure = None;
            entry.unsaved = None;
            let tokens = entry.record.take().and_then(|record| record.tokens);
            (entry.config.clone(), tokens, state.drop_credentials(name, now))
        };
        let forgotten = self.forget_on_disk(name).await;
        let not_told = match (&config, &tokens) {
            (Some(session), Some(tokens)) => {
                self.tell_aws(session, tokens).await.err().map(|error| error.to_string())
            }
            (None, Some(_)) => Some("the session is no longer in the AWS config file".to_owned()),
            (_, None) => None,
        };
        // A disk that forgets nothing must not keep AWS from being told.
        forgotten?;
        tracing::info!(session = %name, "signed out");
        Ok(Logout { session: name.clone(), was_signed_in: tokens.is_some(), still_valid, not_told })
    }

    /// Ends the session at AWS. The portal wants a live access token, so one that is over is renewed for this.
    async fn tell_aws(&self, session: &SsoSession, tokens: &SessionTokens) -> Result<(), IdentityError> {
        let provider = &self.0.provider;
        let renewed = match &tokens.refresh_token {
            Some(token) if self.now() >= tokens.expires_at => {
                match provider.create_token(session, &tokens.client, Grant::RefreshToken(token.clone())).await
                {
                    Ok(renewed) => Some(renewed),
                    // Whoever cannot renew is signed out at AWS already.
                    Err(IdentityError::GrantRejected | IdentityError::RegistrationRejected) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        match provider.logout(session, &renewed.as_ref().unwrap_or(tokens).access_token).await {
            Err(IdentityError::Unauthorized) => Ok(()),
            outcome => outcome,
        }
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
        self.call_portal(name, call).await.map_err(|error| match error {
            TokenError::SignedOut | TokenError::NotRenewable => IdentityError::Unauthorized,
            TokenError::Waiting => {
                IdentityError::Unavailable("the sign-in could not be renewed yet".to_owned())
            }
            TokenError::Identity(error) => error,
        })
    }

    /// Calls the portal, at most so many at a time. A token that it refuses is renewed once; refused again, the session
    /// is over.
    pub(crate) async fn call_portal<T, F>(
        &self,
        name: &SessionName,
        call: impl Fn(Secret) -> F,
    ) -> Result<T, TokenError>
    where
        F: Future<Output = Result<T, IdentityError>>,
    {
        let generation = self.state().sessions.get(name).map_or(0, |entry| entry.generation);
        let polite = async |token| {
            // The semaphore is never closed; without a permit the call would only be less polite.
            let _permit = self.0.portal.acquire().await;
            call(token).await.map_err(TokenError::Identity)
        };
        let token = self.usable_token(name).await?;
        match polite(token.clone()).await {
            Err(TokenError::Identity(IdentityError::Unauthorized)) => {}
            outcome => return outcome,
        }
        let outcome = match self.token_instead_of(name, &token).await {
            Ok(renewed) => polite(renewed).await,
            Err(error) => Err(error),
        };
        if matches!(
            outcome,
            Err(TokenError::Identity(IdentityError::Unauthorized) | TokenError::NotRenewable)
        ) {
            self.end_session(name, generation, "the portal no longer accepts its tokens").await;
            return Err(TokenError::SignedOut);
        }
        outcome
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

    /// Another token than this one: the renewal's under way, or a new renewal's.
    async fn token_instead_of(&self, name: &SessionName, old: &Secret) -> Result<Secret, TokenError> {
        if let (token, _) = self.token(name)?
            && token != *old
        {
            return Ok(token);
        }
        let waiting =
            self.state().sessions.get(name).and_then(|entry| Some(entry.failure.as_ref()?.retry_at));
        if waiting.is_some_and(|retry_at| is_waiting(self.now(), retry_at)) {
            return Err(TokenError::Waiting);
        }
        let mut done = self.start_token_renewal(name).ok_or(TokenError::NotRenewable)?;
        // An error means that the task is gone; what it left behind is looked at all the same.
        let _ = done.wait_for(|done| *done).await;
        match self.token(name)? {
            (token, _) if token != *old => Ok(token),
            _ => Err(TokenError::Waiting),
        }
    }

    /// Joins the renewal that is under way, or starts one.
    pub(crate) fn start_token_renewal(&self, name: &SessionName) -> Option<Done> {
        let mut state = self.state();
        let entry = state.sessions.get_mut(name)?;
        if let Some(done) = to_join(entry.renewal.as_ref(), entry.generation) {
            return Some(done);
        }
        let (session, tokens, generation) =
            (entry.config.clone()?, entry.tokens()?.clone(), entry.generation);
        let refresh_token = tokens.refresh_token.clone()?;
        let (finished, done) = watch::channel(false);
        entry.renewal = Some(Running { done: done.clone(), generation });
        drop(state);
        let broker = self.clone();
        tokio::spawn(async move {
            let grant = Grant::RefreshToken(refresh_token);
            let outcome = broker.0.provider.create_token(&session, &tokens.client, grant).await;
            broker.finish_renewal(&session, generation, outcome).await;
            if let Some(entry) = broker.state().sessions.get_mut(&session.name) {
                entry.renewal.take_if(|running| running.generation == generation);
            }
            // All receivers gone means that nobody waits any more.
            let _ = finished.send(true);
            broker.wake();
        });
        Some(done)
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
                self.end_session(name, generation, "the sign-in has ended at AWS").await;
            }
            IdentityError::RegistrationRejected => {
                self.end_session(name, generation, "AWS no longer knows the client that signed in").await;
            }
            error => {
                let now = self.now();
                let mut state = self.state();
                let Some(entry) = state.sessions.get_mut(name).filter(|entry| entry.generation == generation)
                else {
                    return;
                };
                let count = entry.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
                let life = entry.tokens().map(|tokens| tokens.expires_at.since_or_zero(tokens.issued_at));
                let wait = match &error {
                    IdentityError::Rejected(_) => RETRY_MAX,
                    IdentityError::Throttled { retry_after } => {
                        backoff(count, *retry_after, life, seed((name, count, now)))
                    }
                    _ => backoff(count, None, life, seed((name, count, now))),
                };
                tracing::warn!(session = %name, %error, retry_in = ?wait, "cannot renew the sign-in");
                let reason = error.to_string();
                entry.failure = Some(Failure { count, retry_at: now.plus(wait), reason, refused: false });
            }
        }
    }

    /// Seals renewed tokens before anything uses them. Where the disk refuses, they are used all the same (the
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
        let again = Failure { count: 1, retry_at: now.plus(RETRY_MAX), reason, refused: false };
        entry.failure = (life < Duration::from_secs(1)).then_some(again);
        entry.unsaved = saved.as_ref().err().map(|_| now.plus(SAVE_AGAIN_AFTER));
        match saved {
            Ok(()) => tracing::debug!(session = %name, "sign-in renewed"),
            Err(error) => tracing::error!(session = %name, %error, "the renewed sign-in is in memory only"),
        }
    }

    /// Ends a session that AWS ended. Credentials that it brought are served to their end.
    async fn end_session(&self, name: &SessionName, generation: u64, reason: &str) {
        let order = self.order().await;
        let record = {
            let mut state = self.state();
            let entry = state.sessions.get_mut(name).filter(|entry| entry.generation == generation);
            let Some(entry) = entry else { return };
            entry.generation += 1;
            entry.failure = None;
            entry.ended = Some(reason.to_owned());
            let Some(record) = entry.record.as_mut() else { return };
            let spent = record.tokens.take().map(|tokens| tokens.client.client_id);
            if reason.contains("client") {
                record.registrations.retain(|_, client| Some(&client.client_id) != spent.as_ref());
            }
            record.clone()
        };
        tracing::warn!(session = %name, reason, "the session has ended; somebody must sign in");
        if let (_order, Err(error)) = self.save_record(order, &record).await {
            tracing::error!(session = %name, %error, "the session's end is in memory only");
        }
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
