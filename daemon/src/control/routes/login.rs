//! `POST /v1/login`: a sign-in as a stream of events. When the client disconnects, the sign-in ends.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use ssod_broker::SignInError;
use ssod_clock::Clock;
use ssod_control::{AuditAction, LoginEvent, LoginFlow, LoginRequest};
use ssod_model::{
    CredentialSource, DeviceAuthorization, IdentityError, ProfileName, SessionName, SignInFlow,
};
use ssod_sign_in::{CallbackRules, FlowError, sign_in_with_browser, sign_in_with_device_code};
use tokio::sync::mpsc;

use crate::config::aws_config::LiveAwsConfig;
use crate::config::live_settings::LiveSettings;
use crate::config::settings::FlowSetting;
use crate::control::auditor::{ActionRecord, Auditor};
use crate::control::context::ControlContext;
use crate::control::failure::Failure;
use crate::control::lookup::{find, require_open};
use crate::live_broker::LiveBroker;
use crate::sentence::sentence;
use crate::sign_in_hosts;
use crate::vault::keeper::VaultKeeper;

/// A sign-in has at most three events, so the queue is never full.
const EVENT_QUEUE: usize = 8;

/// The handles that a sign-in needs.
#[derive(Clone)]
pub(in crate::control) struct SignInServices {
    broker: LiveBroker,
    keeper: VaultKeeper,
    settings: LiveSettings,
    clock: Clock,
    callback: CallbackRules,
}

impl FromRef<ControlContext> for SignInServices {
    fn from_ref(context: &ControlContext) -> Self {
        let ControlContext { broker, keeper, settings, clock, callback, .. } = context.clone();
        Self { broker, keeper, settings, clock, callback }
    }
}

pub(in crate::control) async fn answer(
    State(services): State<SignInServices>,
    State(aws_config): State<LiveAwsConfig>,
    auditor: Auditor,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Failure> {
    let record = auditor.begin(AuditAction::Login).profile(Some(&request.name));
    let (session, profile) = match target(&services, &aws_config, &request.name) {
        Ok(target) => target,
        Err(refused) => return record.ended(Err(refused)),
    };
    let record = record.detail(Some(format!("session {session}")));
    let flow = match (request.flow, services.settings.current().login.flow) {
        (Some(LoginFlow::Pkce), _) | (None, FlowSetting::Pkce) => SignInFlow::Browser,
        (None, FlowSetting::Auto) if request.has_browser => SignInFlow::Browser,
        (Some(LoginFlow::DeviceCode), _) | (None, FlowSetting::DeviceCode | FlowSetting::Auto) => {
            SignInFlow::DeviceCode
        }
    };
    let (events, received) = mpsc::channel(EVENT_QUEUE);
    tokio::spawn(SignIn { services, session, profile, flow, events }.run(record));
    let lines = stream::unfold(received, |mut received| async move {
        let line: Bytes = received.recv().await?;
        Some((Ok::<_, Infallible>(line), received))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// Finds the session to sign in to, and the profile that the client named.
fn target(
    services: &SignInServices,
    aws_config: &LiveAwsConfig,
    name: &str,
) -> Result<(SessionName, Option<ProfileName>), Failure> {
    require_open(&services.keeper)?;
    find(&services.broker, name).map_err(|unknown| {
        let source = aws_config.source_of(name);
        source.map_or(unknown, |source| Failure::chained(name, source.as_str()))
    })
}

struct SignIn {
    services: SignInServices,
    session: SessionName,
    profile: Option<ProfileName>,
    flow: SignInFlow,
    events: mpsc::Sender<Bytes>,
}

impl SignIn {
    /// Signs in, until the client disconnects or ssod is locked.
    async fn run(self, record: ActionRecord) {
        let SignInServices { broker, keeper, clock, .. } = &self.services;
        let signed_in = tokio::select! {
            signed_in = self.sign_in() => signed_in,
            // The record notes that the client has disconnected.
            () = self.events.closed() => return tracing::info!("the client disconnected, so its sign-in ends"),
            () = keeper.closed() => Err(Failure::closed(&keeper.state())),
        };
        // If ssod was locked meanwhile, the lock is the reason to report.
        let signed_in = signed_in.map_err(|failure| broker.closed().map_or(failure, Failure::from));
        let last = match record.ended(signed_in) {
            Ok(()) => {
                keeper.used(clock.now());
                LoginEvent::SignedIn { session: self.session.to_string() }
            }
            Err(failure) => {
                tracing::warn!(session = %self.session, error = %failure.body.message, "the sign-in failed");
                LoginEvent::Failed { error: failure.body }
            }
        };
        self.send(&last);
    }

    /// Tries a second time if Identity Center no longer knows the stored registration.
    async fn sign_in(&self) -> Result<(), Failure> {
        match self.attempt().await {
            Err(AttemptError::RegistrationUnknown) => {}
            outcome => return outcome.map_err(Failure::from),
        }
        self.services.broker.begin_sign_in(&self.session)?.forget_client(self.flow).await?;
        self.attempt().await.map_err(Failure::from)
    }

    async fn attempt(&self) -> Result<(), AttemptError> {
        let SignInServices { broker, callback, .. } = &self.services;
        let signing = broker.begin_sign_in(&self.session)?;
        let client = signing.client(self.flow).await?;
        let session = signing.session().clone();
        let profile = self.profile.as_ref();
        match self.flow {
            SignInFlow::DeviceCode => {
                let show = |authorization: &DeviceAuthorization| self.show_code(&session, authorization);
                let tokens = sign_in_with_device_code(broker.provider(), &session, &client, show).await?;
                signing.complete(tokens, profile).await.map_err(SignInError::from)?;
            }
            SignInFlow::Browser => {
                let announce = |url: &str| self.announce(&session, url);
                let keep = |tokens| async move {
                    signing
                        .complete(tokens, profile)
                        .await
                        .map_err(|error| FlowError::Local(error.to_string()))
                };
                let callback = callback.clone();
                sign_in_with_browser(broker.provider(), &session, &client, callback, announce, keep).await?;
            }
        }
        Ok(())
    }

    fn announce(&self, session: &ssod_model::SsoSession, url: &str) -> Result<(), FlowError> {
        let url = sign_in_page(session, url)?;
        self.send(&LoginEvent::Browser {
            session: session.name.to_string(),
            url,
            start_url: session.start_url.to_string(),
        });
        Ok(())
    }

    fn show_code(
        &self,
        session: &ssod_model::SsoSession,
        authorization: &DeviceAuthorization,
    ) -> Result<(), FlowError> {
        let url = sign_in_page(session, &authorization.verification_uri)?;
        let url_complete = sign_in_page(session, &authorization.verification_uri_complete)?;
        self.send(&LoginEvent::DeviceCode {
            session: session.name.to_string(),
            url,
            url_complete,
            code: authorization.user_code.clone(),
            expires_in: authorization.expires_in.as_secs(),
            start_url: session.start_url.to_string(),
            region: session.region.to_string(),
        });
        Ok(())
    }

    fn send(&self, event: &LoginEvent) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        // This fails only if the client disconnected, which ends the sign-in anyway.
        let _ = self.events.try_send(line.into());
    }
}

/// Returns the address of the page as a browser understands it. Fails if the page is not one of the session's.
fn sign_in_page(session: &ssod_model::SsoSession, url: &str) -> Result<String, FlowError> {
    sign_in_hosts::allowed_page(session, url).map(String::from).ok_or_else(|| {
        FlowError::Refused("it names a sign-in page that is not one of this session's hosts".to_owned())
    })
}

/// Why one attempt failed.
enum AttemptError {
    /// Identity Center does not know the client registration.
    RegistrationUnknown,
    Failed(Failure),
}

impl From<SignInError> for AttemptError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Identity(IdentityError::RegistrationRejected) => Self::RegistrationUnknown,
            error => Self::Failed(error.into()),
        }
    }
}

impl From<FlowError> for AttemptError {
    fn from(error: FlowError) -> Self {
        let message = sentence(&error.to_string());
        let refused = |code: &str, hint: &str| {
            Self::Failed(Failure::new(StatusCode::FORBIDDEN, code, message.clone(), Some(hint.to_owned())))
        };
        match error {
            FlowError::Identity(error) => SignInError::Identity(error).into(),
            FlowError::Denied => refused("Denied", "Run ssod login again and approve it"),
            FlowError::TimedOut => refused("Expired", "Run ssod login again"),
            FlowError::Refused(_) => {
                refused("Refused", "Check sso_start_url and sso_region in the AWS config file")
            }
            FlowError::Local(_) => refused("Failed", "The daemon's log says more: SSOD_LOG=debug"),
        }
    }
}

impl From<AttemptError> for Failure {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::RegistrationUnknown => IdentityError::RegistrationRejected.into(),
            AttemptError::Failed(failure) => failure,
        }
    }
}
