//! Tells when the machine wakes from sleep, as logind announces it (PrepareForSleep, org.freedesktop.login1(5)). The timer on
//! the wall clock notices by itself that deadlines have passed; this is for what waits for an answer. Linux only.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

/// Where the system bus is when no variable says so.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// The shortest time between two wakings.
const AT_MOST_EACH: Duration = Duration::from_secs(5);
/// Announcements that may wait.
const QUEUE: usize = 8;

/// Calls for each waking, as long as it is awaited. It ends at once where there is no system bus.
pub(crate) async fn watch(on_resume: impl Fn()) {
    if std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_none() && !Path::new(SYSTEM_BUS).exists() {
        return;
    }
    if let Err(error) = listen(on_resume).await {
        tracing::debug!(%error, "the system bus does not tell when the machine wakes");
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
    let mut announcements = MessageStream::for_match_rule(rule, &connection, Some(QUEUE)).await?;
    while let Some(announcement) = announcements.next().await {
        if let Ok(false) = announcement?.body().deserialize::<bool>() {
            tracing::info!("the machine woke from sleep");
            on_resume();
            // Whoever forges it makes no storm; what comes meanwhile waits in the queue, or is dropped.
            tokio::time::sleep(AT_MOST_EACH).await;
        }
    }
    Ok(())
}
