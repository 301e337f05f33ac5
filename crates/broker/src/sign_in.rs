//! Signing in and out: what replaces a session's tokens, and what drops them.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    ClientRegistration, Grant, IdentityError, IdentityProvider, ProfileName, SecretStore, SessionName,
    SessionRecord, SessionTokens, SignInFlow, SsoSession, StoreError, Timestamp, TimestampExt,
};
use thiserror::Error;

use crate::broker::Broker;
use crate::event::Event;
use crate::phase::Closed;
use crate::state::State;

/// A registration that ends sooner is not used for a new sign-in: the AWS CLI keeps the same margin.
const REGISTRATION_MARGIN: Duration = Duration::from_mins(15);

/// Why a sign-in did not come about.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignInError {
    /// There is no such session (any more).
    #[error("session \"{0}\" is not in the AWS config file")]
    NoSession(SessionName),
    /// Nothing can be kept now: the vault is locked, or not open yet.
    #[error("the vault is not open")]
    Closed(Closed),
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
pub struct SigningIn<P: IdentityProvider, S: SecretStore> {
    broker: Broker<P, S>,
    session: Arc<SsoSession>,
}

impl<P: IdentityProvider, S: SecretStore> SigningIn<P, S> {
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
            let replace = |record: &mut SessionRecord| {
                record.tokens = Some(tokens);
                record.signed_in_at = Some(now);
            };
            let publish = |state: &mut State| {
                if let Some(entry) = state.sessions.get_mut(name) {
                    entry.generation += 1;
                    entry.ended = None;
                    entry.failure = None;
                    entry.unsaved = None;
                }
                state.drop_credentials(name, now);
            };
            // First, so that no crash leaves the credentials of whoever was signed in before beside the new sign-in.
            broker.forget_cached(name).await?;
            broker.update_record(&self.session, replace, publish).await?;
            if let Some(named) = named {
                broker.used(&named, None);
            }
            broker.wake();
            broker.tell(Event::TokenChanged(name.clone()));
            tracing::info!(session = %name, "signed in");
            Ok(())
        });
        completing.await.unwrap_or_else(|error| Err(StoreError(error.to_string())))
    }
}

impl<P: IdentityProvider, S: SecretStore> Drop for SigningIn<P, S> {
    fn drop(&mut self) {
        if let Some(entry) = self.broker.state().sessions.get_mut(&self.session.name) {
            entry.signing_in = entry.signing_in.saturating_sub(1);
        }
    }
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Begins a sign-in; what is served stays as it is until it is complete.
    pub fn begin_sign_in(&self, name: &SessionName) -> Result<SigningIn<P, S>, SignInError> {
        let mut state = self.state();
        if let Some(closed) = &state.closed {
            return Err(SignInError::Closed(closed.clone()));
        }
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
            let config = entry.config.clone();
            state.deadlines.sessions.mark(name);
            (config, tokens, state.drop_credentials(name, now))
        };
        self.tell(Event::SignedOut(name.clone()));
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
}
