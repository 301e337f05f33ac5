//! Reports that the machine resumed from a suspend, as logind announces it (PrepareForSleep,
//! org.freedesktop.login1(5)). It is for requests that still wait for AWS; the timer on the wall clock does not need
//! it. This is for Linux only.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

/// The system bus unless the environment names another one.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// Limits how often a resume is reported, even if another program forges the signal.
const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// The maximum number of queued signals.
const QUEUE_CAPACITY: usize = 8;

/// Calls `on_resume` after each resume. Returns at once if there is no system bus.
pub(crate) async fn watch(on_resume: impl Fn()) {
    if std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_none() && !Path::new(SYSTEM_BUS).exists() {
        return;
    }
    if let Err(error) = listen(on_resume).await {
        tracing::debug!(%error, "the system bus does not report when the machine resumes");
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
            tracing::info!("the machine resumed");
            on_resume();
            // Meanwhile, signals wait in the queue, or are dropped if it is full.
            tokio::time::sleep(MIN_INTERVAL).await;
        }
    }
    Ok(())
}
