//! The loop that renews: sleep until something is due, or changed, or the stop. It knows no policy.

use std::future::Future;

use ssod_broker::Broker;
use ssod_model::{IdentityProvider, SecretStore, Timer};

/// Renews until `stop` ends. With nothing due it does not wake.
pub async fn run<P: IdentityProvider, S: SecretStore, C: Timer>(
    broker: Broker<P, S, C>,
    timer: C,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = std::pin::pin!(stop);
    loop {
        let round = broker.renew_due();
        let due = async {
            match round.next {
                Some(deadline) => timer.sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let room = async {
            if round.wants_room {
                broker.room().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = &mut stop => return,
            () = broker.changed() => {}
            () = due => {}
            () = room => {}
        }
    }
}
