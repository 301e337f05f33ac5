//! `POST /v1/login`: a sign-in as a stream of events. When the client goes away, the sign-in ends.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use ssod_broker::SignInError;
use ssod_control::{LoginEvent, LoginFlow, LoginRequest};
use ssod_model::{
    CredentialSource, DeviceAuthorization, IdentityError, ProfileName, SessionName, SignInFlow,
};
use ssod_sign_in::{Failure as SignInFailure, browser, device_code};
use tokio::sync::mpsc;

use super::failure::sentence;
use super::{Failure, find, must_be_open};
use crate::app::Shared;
use crate::settings::FlowSetting;
use crate::sign_in_hosts;

/// A sign-in has three events at the most.
const EVENTS: usize = 8;

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Failure> {
    must_be_open(&shared)?;
    let (session, profile) = find(&shared.broker, &request.name)?;
    let flow = match (request.flow, shared.settings().login.flow) {
        (Some(LoginFlow::Pkce), _) | (None, FlowSetting::Pkce) => SignInFlow::Browser,
        (None, FlowSetting::Auto) if request.has_browser => SignInFlow::Browser,
        (Some(LoginFlow::DeviceCode), _) | (None, FlowSetting::DeviceCode | FlowSetting::Auto) => {
            SignInFlow::DeviceCode
        }
    };
    let (events, received) = mpsc::channel(EVENTS);
    let sign_in = SignIn { shared: shared.clone(), session, profile, flow, events };
    tokio::spawn(async move {
        let gone = sign_in.events.clone();
        tokio::select! {
            () = sign_in.run() => {}
            () = gone.closed() => tracing::info!("the client went away; the sign-in is given up"),
            () = shared.keeper.closed() => {
                let error = Failure::closed(shared.keeper.status()).body;
                tell(&gone, &LoginEvent::Failed { error });
            }
        }
    });
    let lines = stream::unfold(received, |mut received| async move {
        let line: Bytes = received.recv().await?;
        Some((Ok::<_, Infallible>(line), received))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

struct SignIn {
    shared: Arc<Shared>,
    session: SessionName,
    profile: Option<ProfileName>,
    flow: SignInFlow,
    events: mpsc::Sender<Bytes>,
}

impl SignIn {
    async fn run(&self) {
        let last = match self.sign_in().await {
            Ok(()) => {
                self.shared.keeper.used(self.shared.clock.now());
                LoginEvent::SignedIn { session: self.session.to_string() }
            }
            Err(failure) => {
                // Where a lock came in between, that is what to say.
                let failure = self.shared.broker.closed().map_or(failure, Failure::from);
                tracing::warn!(session = %self.session, error = %failure.body.message, "nobody signed in");
                LoginEvent::Failed { error: failure.body }
            }
        };
        self.tell(&last);
    }

    /// Once more where Identity Center forgot our registration.
    async fn sign_in(&self) -> Result<(), Failure> {
        match self.attempt().await {
            Err(Attempt::Forgotten) => {}
            outcome => return outcome.map_err(Failure::from),
        }
        self.shared.broker.begin_sign_in(&self.session)?.forget_client(self.flow).await?;
        self.attempt().await.map_err(Failure::from)
    }

    async fn attempt(&self) -> Result<(), Attempt> {
        let broker = &self.shared.broker;
        let signing = broker.begin_sign_in(&self.session)?;
        let client = signing.client(self.flow).await?;
        let session = signing.session().clone();
        let profile = self.profile.as_ref();
        match self.flow {
            SignInFlow::DeviceCode => {
                let show = |authorization: &DeviceAuthorization| self.show_code(&session, authorization);
                let tokens = device_code(broker.provider(), &session, &client, show).await?;
                signing.complete(tokens, profile).await.map_err(SignInError::from)?;
            }
            SignInFlow::Browser => {
                let announce = |url: &str| self.announce(&session, url);
                let keep = |tokens| async move {
                    signing
                        .complete(tokens, profile)
                        .await
                        .map_err(|error| SignInFailure::Local(error.to_string()))
                };
                browser(broker.provider(), &session, &client, announce, keep).await?;
            }
        }
        Ok(())
    }

    fn announce(&self, session: &ssod_model::SsoSession, url: &str) -> Result<(), SignInFailure> {
        check_host(session, url)?;
        self.tell(&LoginEvent::Browser {
            session: session.name.to_string(),
            url: url.to_owned(),
            start_url: session.start_url.to_string(),
            browser: self.shared.settings().login.browser.clone(),
        });
        Ok(())
    }

    fn show_code(
        &self,
        session: &ssod_model::SsoSession,
        authorization: &DeviceAuthorization,
    ) -> Result<(), SignInFailure> {
        check_host(session, &authorization.verification_uri)?;
        check_host(session, &authorization.verification_uri_complete)?;
        self.tell(&LoginEvent::DeviceCode {
            session: session.name.to_string(),
            url: authorization.verification_uri.clone(),
            url_complete: authorization.verification_uri_complete.clone(),
            code: authorization.user_code.clone(),
            expires_in: authorization.expires_in.as_secs(),
            start_url: session.start_url.to_string(),
            region: session.region.to_string(),
        });
        Ok(())
    }

    fn tell(&self, event: &LoginEvent) {
        tell(&self.events, event);
    }
}

fn tell(events: &mpsc::Sender<Bytes>, event: &LoginEvent) {
    let Ok(mut line) = serde_json::to_vec(event) else { return };
    line.push(b'\n');
    // There is room for more events than there are; a client that went away ends the sign-in elsewhere.
    let _ = events.try_send(line.into());
}

fn check_host(session: &ssod_model::SsoSession, url: &str) -> Result<(), SignInFailure> {
    if sign_in_hosts::allows(session, url) {
        return Ok(());
    }
    Err(SignInFailure::Refused("it names a sign-in page that is not one of this session's hosts".to_owned()))
}

/// Why one attempt did not work.
enum Attempt {
    /// The registration is unknown to Identity Center.
    Forgotten,
    Failed(Failure),
}

impl From<SignInError> for Attempt {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Identity(IdentityError::RegistrationRejected) => Self::Forgotten,
            error => Self::Failed(error.into()),
        }
    }
}

impl From<SignInFailure> for Attempt {
    fn from(failure: SignInFailure) -> Self {
        let message = sentence(&failure.to_string());
        let refused = |code: &str, hint: &str| {
            Self::Failed(Failure::new(StatusCode::FORBIDDEN, code, message.clone(), Some(hint.to_owned())))
        };
        match failure {
            SignInFailure::Identity(error) => SignInError::Identity(error).into(),
            SignInFailure::Denied => refused("Denied", "Run ssod login again and approve it"),
            SignInFailure::TimedOut => refused("Expired", "Run ssod login again"),
            SignInFailure::Refused(_) => {
                refused("Refused", "Check sso_start_url and sso_region in the AWS config file")
            }
            SignInFailure::Local(_) => refused("Failed", "The daemon's log says more: SSOD_LOG=debug"),
        }
    }
}

impl From<Attempt> for Failure {
    fn from(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Forgotten => IdentityError::RegistrationRejected.into(),
            Attempt::Failed(failure) => failure,
        }
    }
}
