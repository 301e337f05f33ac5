//! Reports to a service manager (sd_notify(3)): ready, a status text, pings for the watchdog, stopping. Without a
//! service manager it does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use ssod_broker::SignInState;
use tokio::sync::broadcast::error::RecvError;

use crate::live_broker::LiveBroker;
use crate::vault::keeper::VaultKeeper;

/// Reports to the service manager.
pub(crate) struct ServiceManagerReporter {
    pub(crate) broker: LiveBroker,
    pub(crate) keeper: VaultKeeper,
    /// The endpoint's port, for the status text.
    pub(crate) port: u16,
}

impl ServiceManagerReporter {
    /// Reports until the stop. The daemon must be ready before the call.
    pub(crate) async fn run(self, stop: impl Future<Output = ()> + Send) {
        notify(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
        tokio::select! {
            () = stop => {}
            () = self.report_status() => {}
            () = self.ping_watchdog() => {}
        }
        notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    async fn report_status(&self) {
        let (mut events, mut vault) = (self.broker.events(), self.keeper.changes());
        loop {
            tokio::select! {
                event = events.recv() => if matches!(event, Err(RecvError::Closed)) { return },
                // An error is impossible: the keeper keeps the sender.
                _ = vault.changed() => {}
            }
            notify(&[NotifyState::Status(&self.status())]);
        }
    }

    /// Returns the status text, for example "2 of 3 sessions signed in, 5 profiles; port 7746".
    fn status(&self) -> String {
        let (sessions, vault) = (self.broker.sessions(), self.keeper.state());
        if !vault.is_open() {
            let closed = vault.closed_reason();
            let reason =
                closed.map_or_else(|| "the vault is being opened".to_owned(), |closed| closed.reason);
            return format!("{reason} (port {})", self.port);
        }
        let active = sessions.iter().filter(|session| session.state == SignInState::Active).count();
        let (all, profiles) = (sessions.len(), self.broker.profile_names().len());
        format!("{active} of {all} sessions signed in, {profiles} profiles; port {}", self.port)
    }

    /// Pings the watchdog, if there is one, each time the refresher's loop has completed a tick on request. If the loop
    /// hangs, it completes none, so the service manager restarts the daemon.
    async fn ping_watchdog(&self) {
        let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
        loop {
            tokio::time::sleep(limit / 3).await;
            if self.completes_a_tick(limit / 2).await {
                notify(&[NotifyState::Watchdog]);
            } else {
                tracing::error!("the refresher hangs; the watchdog will restart ssod");
            }
        }
    }

    async fn completes_a_tick(&self, timeout: Duration) -> bool {
        let mut ticks = self.broker.ticks();
        ticks.mark_unchanged();
        self.broker.wake();
        // Only the timeout can be an error: the broker keeps the sender.
        tokio::time::timeout(timeout, ticks.changed()).await.is_ok()
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot report to the service manager");
    }
}
