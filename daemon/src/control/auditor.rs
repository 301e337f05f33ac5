//! Notes in the audit log what a client did, and how it ended.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use ssod_clock::Clock;
use ssod_control::{AuditAction, AuditVia};
use ssod_model::{ProfileName, Program};
use ssod_peer::UnixPeer;

use super::context::ControlContext;
use super::failure::Failure;
use crate::audit::{AuditLog, ControlNote, NoteOutcome};

/// The file name of the client, whose caller is the program that started it.
const CLIENT: &str = "ssod";

/// Notes what the client of one request does.
#[derive(Clone)]
pub(super) struct Auditor {
    audit: Arc<AuditLog>,
    clock: Clock,
    peer: UnixPeer,
    program: Option<Program>,
}

impl FromRequestParts<ControlContext> for Auditor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, context: &ControlContext) -> Result<Self, Response> {
        let peer = Extension::<UnixPeer>::from_request_parts(parts, context).await;
        let Extension(peer) = peer.map_err(IntoResponse::into_response)?;
        let State(audit) =
            State::from_request_parts(parts, context).await.unwrap_or_else(|never| match never {});
        let State(clock) =
            State::from_request_parts(parts, context).await.unwrap_or_else(|never| match never {});
        // Found now, because the client may end before its request does.
        let program = program_behind(&peer);
        Ok(Self { audit, clock, peer, program })
    }
}

/// Returns the program that uses ssod: the one that started the client, or else the one that connected itself.
fn program_behind(peer: &UnixPeer) -> Option<Program> {
    let own = peer.process.program()?;
    if own.name != CLIENT {
        return Some(own);
    }
    peer.process.parent()?.program()
}

impl Auditor {
    /// Returns the program behind the request.
    pub(super) fn program(&self) -> Option<&Program> {
        self.program.as_ref()
    }

    /// Notes a request for credentials.
    pub(super) fn note_credentials(&self, profile: Option<ProfileName>, outcome: NoteOutcome) {
        let via = AuditVia::CredentialProcess;
        self.note(ControlNote {
            via,
            action: None,
            program: self.program.clone(),
            profile,
            detail: None,
            outcome,
        });
    }

    /// Begins an action. If the record is dropped before the action has ended, the client has disconnected.
    pub(super) fn begin(self, action: AuditAction) -> ActionRecord {
        ActionRecord { auditor: self, action, profile: None, detail: None, is_noted: false }
    }

    fn note(&self, note: ControlNote) {
        self.audit.note_control(self.clock.now(), &self.peer, note);
    }
}

/// Returns the outcome of a request that failed.
pub(super) fn refused(failure: &Failure) -> NoteOutcome {
    let code = failure.body.code.clone();
    NoteOutcome::Refused { reason: format!("{code}: {}", failure.body.message), code: code.into() }
}

/// An action in progress. It is noted in any case.
pub(super) struct ActionRecord {
    auditor: Auditor,
    action: AuditAction,
    profile: Option<ProfileName>,
    detail: Option<String>,
    is_noted: bool,
}

impl ActionRecord {
    /// Adds the profile that the action is about. A name that no profile can have is left out.
    pub(super) fn profile(mut self, name: Option<&str>) -> Self {
        self.profile = name.and_then(|name| ProfileName::parse(name).ok());
        self
    }

    /// Adds what else there is to know.
    pub(super) fn detail(mut self, detail: Option<String>) -> Self {
        self.detail = detail;
        self
    }

    /// Notes how the action ended, and returns the result.
    pub(super) fn ended<T>(mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        let outcome = result.as_ref().map_or_else(refused, |_| NoteOutcome::Done);
        self.note(outcome);
        result
    }

    fn note(&mut self, outcome: NoteOutcome) {
        self.is_noted = true;
        let (program, profile) = (self.auditor.program.clone(), self.profile.take());
        let (via, action, detail) = (AuditVia::Control, Some(self.action), self.detail.take());
        self.auditor.note(ControlNote { via, action, program, profile, detail, outcome });
    }
}

impl Drop for ActionRecord {
    fn drop(&mut self) {
        if !self.is_noted {
            let reason = "the client disconnected before the action ended".to_owned();
            self.note(NoteOutcome::Refused { code: "Disconnected".into(), reason });
        }
    }
}
