//! Reports that the machine woke from sleep, as logind announces it (PrepareForSleep, org.freedesktop.login1(5)). The timer on
//! the wall clock needs no such report; it is for requests that still wait for AWS. Linux only.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

/// The system bus unless the environment names another one.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// Limits how often a wake-up is reported, also if another program forges the signal.
const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// Signals that may be queued.
const QUEUE_CAPACITY: usize = 8;

/// Calls `on_resume` after each wake-up. Returns at once if there is no system bus.
pub(crate) async fn watch(on_resume: impl Fn()) {
    if std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_none() && !Path::new(SYSTEM_BUS).exists() {
        return;
    }
    if let Err(error) = listen(on_resume).await {
        tracing::debug!(%error, "the system bus does not report when the machine wakes");
    }
}

async fn listen(on_resume: impl Fn()) -> zbus::Result<()> {
    let connection = Connection::system().await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .path("/org/freedesktop/login1")?
        .interface("org.freedesktop.login1.Manager")?
        .member("PrepareForSleep")?
        .build();
    let mut signals = MessageStream::for_match_rule(rule, &connection, Some(QUEUE_CAPACITY)).await?;
    while let Some(signal) = signals.next().await {
        if let Ok(false) = signal?.body().deserialize::<bool>() {
            tracing::info!("the machine woke from sleep");
            on_resume();
            // Signals meanwhile wait in the queue, or are dropped when it is full.
            tokio::time::sleep(MIN_INTERVAL).await;
        }
    }
    Ok(())
}
