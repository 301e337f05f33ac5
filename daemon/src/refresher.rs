//! The renewal loop: it sleeps until work is due or something changes, and then ticks. It contains no policy.

use std::future::Future;

use ssod_broker::Broker;
use ssod_clock::Clock;
use ssod_model::{IdentityProvider, SecretStore};

/// Renews until `stop` ends. It does not wake while nothing is due.
pub async fn run<P: IdentityProvider, S: SecretStore>(
    broker: Broker<P, S>,
    clock: Clock,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = std::pin::pin!(stop);
    loop {
        #[cfg(debug_assertions)]
        stall::while_requested().await;
        let tick = broker.renew_due();
        let due = clock.sleep_until(tick.next);
        let permit = async {
            if tick.throttled {
                broker.permit_available().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = &mut stop => return,
            () = broker.changed() => {}
            () = due => {}
            () = permit => {}
        }
    }
}

/// Hangs the loop for a test of the watchdog. Release builds do not contain it.
#[cfg(debug_assertions)]
mod stall {
    use std::path::PathBuf;
    use std::sync::LazyLock;

    /// While this file exists, the loop hangs.
    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("SSOD_TEST_STALL_ENGINE").map(PathBuf::from));

    pub(super) async fn while_requested() {
        if FILE.as_ref().is_some_and(|file| file.exists()) {
            std::future::pending::<()>().await;
        }
    }
}
