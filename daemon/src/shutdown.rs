//! The stop of the daemon, as every task waits for it.

use tokio::sync::watch;

/// Tells every task that the daemon stops. Clones share one state.
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
            // An error means that every sender is gone, which is a stop, too.
            let _ = stop.wait_for(|stopping| *stopping).await;
        }
    }
}
