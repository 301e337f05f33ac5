//! The stop of the daemon, which every task waits for.

use tokio::sync::watch;

/// Signals to every task that the daemon stops. Clones share one state.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl Shutdown {
    /// Starts the stop.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Ends when the stop begins.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.0.subscribe();
        async move {
            // An error means that all senders were dropped, which is a stop, too.
            let _ = stop.wait_for(|stopping| *stopping).await;
        }
    }
}
