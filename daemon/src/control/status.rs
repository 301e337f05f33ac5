//! `GET /v1/status`; `GET /v1/daemon` is its part about the daemon alone.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::extract::State;
use ssod_broker::{
    ProfileStatus as BrokerProfile, SessionState as BrokerState, SessionStatus as BrokerSession,
    TroubleStatus,
};
use ssod_control::{
    DaemonStatus, ImdsPort, ProfileState, ProfileStatus, SessionState, SessionStatus, Status, Trouble,
};
use ssod_model::{SignedDuration, Timestamp, TimestampExt};

use ssod_vault::KeyStoreChoice;

use super::Answer;
use super::use_profile::active_profile;
use crate::app::Shared;
use ssod_clock::describe_clock_error;

pub(super) async fn answer(State(shared): State<Arc<Shared>>) -> Answer<Status> {
    Ok(Json(everything(&shared)))
}

/// What there is to show.
pub(super) fn everything(shared: &Arc<Shared>) -> Status {
    let status = shared.broker.status();
    let now = status.now;
    Status {
        daemon: daemon(shared),
        active: active_profile(&status.active),
        sessions: status.sessions.into_iter().map(|one| session(one, now)).collect(),
        profiles: status.profiles.into_iter().map(|one| profile(one, now)).collect(),
    }
}

pub(super) async fn daemon_alone(State(shared): State<Arc<Shared>>) -> Answer<DaemonStatus> {
    Ok(Json(daemon(&shared)))
}

fn daemon(shared: &Shared) -> DaemonStatus {
    let problems = shared.problems.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = problems.aws_config.clone();
    all.extend(problems.settings.clone());
    all.extend(problems.restart.clone());
    all.extend(problems.imds.clone());
    drop(problems);
    all.extend(shared.keeper.vault().problems());
    all.extend(misplaced_key(shared));
    all.extend(shared.clock.wrong_by().map(|by| format!("{} {WRONG_CLOCK}", wrong_clock(by))));
    let ports = shared.imds_ports.lock().unwrap_or_else(PoisonError::into_inner);
    DaemonStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        port: shared.port,
        imds_ports: ports
            .iter()
            .map(|(profile, open)| ImdsPort { profile: profile.clone(), port: open.port })
            .collect(),
        key_store: shared.keeper.key_store().map(|store| store.to_string()).unwrap_or_default(),
        vault: shared.keeper.status(),
        config_file: shared.paths.aws_config.display().to_string(),
        overrides: shared.overrides.clone(),
        problems: all,
    }
}

/// What to do about it.
pub(super) const WRONG_CLOCK: &str = "Set it, on most systems by: sudo timedatectl set-ntp true";

/// The machine's clock is wrong, in a sentence.
pub(super) fn wrong_clock(by: SignedDuration) -> String {
    format!(
        "This machine's clock is {}. ssod goes by AWS's, but SDKs sign with this one.",
        describe_clock_error(by)
    )
}

/// The key is elsewhere than the settings say.
pub(super) fn misplaced_key(shared: &Shared) -> Option<String> {
    match (shared.keeper.key_store(), shared.settings().vault.key) {
        (Some(kept), KeyStoreChoice::Only(asked)) if kept != asked => Some(format!(
            "[vault] key says {asked}, but the vault's key is in {kept}. Move it: ssod vault move {asked}"
        )),
        _ => None,
    }
}

fn session(session: BrokerSession, now: Timestamp) -> SessionStatus {
    let (state, reason) = match session.state {
        BrokerState::Locked => (SessionState::Locked, None),
        BrokerState::SignedOut => (SessionState::SignedOut, None),
        BrokerState::SigningIn => (SessionState::SigningIn, None),
        BrokerState::Active => (SessionState::Active, None),
        BrokerState::Expired { reason } => (SessionState::Expired, Some(reason)),
    };
    SessionStatus {
        name: session.name.to_string(),
        state,
        reason,
        start_url: session.start_url.to_string(),
        region: session.region.to_string(),
        expires_at: session.token_expires_at.map(whole_seconds),
        remaining: session.token_expires_at.map(|at| at.since_or_zero(now).as_secs()),
        ends_in: session.ends_at.filter(|at| *at > now).map(|at| at.since_or_zero(now).as_secs()),
        renews_in: session.next_renewal.map(|at| at.since_or_zero(now).as_secs()),
        trouble: session.trouble.map(|one| trouble(one, now)),
    }
}

fn profile(profile: BrokerProfile, now: Timestamp) -> ProfileStatus {
    let state = match (&profile.expiration, &profile.trouble) {
        (Some(_), _) => ProfileState::Ready,
        (None, None) => ProfileState::OnDemand,
        (None, Some(_)) => ProfileState::Blocked,
    };
    ProfileStatus {
        name: profile.name.to_string(),
        session: profile.session.to_string(),
        account_id: profile.account_id.to_string(),
        role_name: profile.role_name.to_string(),
        region: profile.region.map(|region| region.to_string()),
        state,
        expires_at: profile.expiration.map(whole_seconds),
        remaining: profile.expiration.map(|at| at.since_or_zero(now).as_secs()),
        renews_in: profile.next_renewal.map(|at| at.since_or_zero(now).as_secs()),
        trouble: profile.trouble.map(|one| trouble(one, now)),
        used_ago: profile.last_used.map(|at| now.since_or_zero(at).as_secs()),
        used_by: profile.used_by,
        aws_form: profile.aws_form,
    }
}

fn trouble(trouble: TroubleStatus, now: Timestamp) -> Trouble {
    match trouble {
        TroubleStatus::Retrying { reason, retry_at } => {
            Trouble::Retrying { reason, retry_in: retry_at.since_or_zero(now).as_secs() }
        }
        TroubleStatus::NoAccess => Trouble::NoAccess,
        TroubleStatus::SignInNeeded => Trouble::SignInNeeded,
        TroubleStatus::Locked => Trouble::Locked,
    }
}

/// RFC 3339 in whole seconds, rounded down: what every AWS tool reads.
pub(super) fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
