//! What a service manager is told: that the daemon is ready, how it stands, that its engine lives, that it stops (sd_notify(3)).
//! Without one, all of this does nothing.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use ssod_broker::SessionState;
use tokio::sync::broadcast::error::RecvError;

use crate::app::Shared;

/// Tells until it is stopped; the daemon is ready when this begins.
pub(crate) async fn run(shared: Arc<Shared>) {
    tell(&[NotifyState::Ready, NotifyState::Status(&status(&shared))]);
    tokio::select! {
        () = shared.stopped() => {}
        () = keep_status(&shared) => {}
        () = keep_alive(&shared) => {}
    }
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told how ssod stands");
    }
}

async fn keep_status(shared: &Shared) {
    let (mut events, mut vault) = (shared.broker.events(), shared.keeper.changes());
    loop {
        tokio::select! {
            event = events.recv() => if matches!(event, Err(RecvError::Closed)) { return },
            // The keeper keeps the sender.
            _ = vault.changed() => {}
        }
        tell(&[NotifyState::Status(&status(shared))]);
    }
}

/// "2 of 3 sessions signed in, 5 profiles; port 7746".
fn status(shared: &Shared) -> String {
    let (all, vault) = (shared.broker.sessions(), shared.keeper.status());
    if vault.state != "open" {
        let reason = vault.reason.unwrap_or_else(|| "the vault is being opened".to_owned());
        return format!("{reason} (port {})", shared.port);
    }
    let active = all.iter().filter(|session| session.state == SessionState::Active).count();
    let (sessions, profiles) = (all.len(), shared.broker.profile_names().len());
    format!("{active} of {sessions} sessions signed in, {profiles} profiles; port {}", shared.port)
}

/// Pings the watchdog, where there is one, each time that the engine's own loop went round: it is asked for a round, and a loop
/// that hangs gives none, so that the service manager starts the daemon anew.
async fn keep_alive(shared: &Shared) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        tokio::time::sleep(limit / 3).await;
        if goes_round(shared, limit / 2).await {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the engine does not go round any more; the watchdog will start ssod anew");
        }
    }
}

async fn goes_round(shared: &Shared, patience: Duration) -> bool {
    let mut ticks = shared.broker.ticks();
    ticks.mark_unchanged();
    shared.broker.wake();
    // The broker keeps the sender.
    tokio::time::timeout(patience, ticks.changed()).await.is_ok()
}
