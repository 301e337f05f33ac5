//! Desktop notices.

/// Why a notice was not shown.
#[cfg(target_os = "linux")]
pub(crate) type DesktopError = zbus::Error;
#[cfg(not(target_os = "linux"))]
pub(crate) type DesktopError = notify_rust::error::Error;

/// Shows a notice over the session bus, by the one method of the Desktop Notifications Specification that it needs.
#[cfg(target_os = "linux")]
pub(crate) async fn show(summary: &str, body: &str) -> Result<(), DesktopError> {
    use std::collections::HashMap;

    const NAME: &str = "org.freedesktop.Notifications";
    const PATH: &str = "/org/freedesktop/Notifications";
    /// A new notice that replaces none.
    const NO_ID: u32 = 0;
    /// The desktop decides how long it shows the notice.
    const DEFAULT_TIMEOUT: i32 = -1;

    let (no_icon, no_actions) = ("", Vec::<&str>::new());
    let no_hints = HashMap::<&str, zbus::zvariant::Value<'_>>::new();
    let arguments = ("ssod", NO_ID, no_icon, summary, body, no_actions, no_hints, DEFAULT_TIMEOUT);
    let bus = zbus::Connection::session().await?;
    bus.call_method(Some(NAME), PATH, Some(NAME), "Notify", &arguments).await.map(drop)
}

/// Shows a notice. Untested: no Mac was at hand.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn show(summary: &str, body: &str) -> Result<(), DesktopError> {
    let mut notification = notify_rust::Notification::new();
    notification.appname("ssod").summary(summary).body(body);
    // This call blocks, so it needs a thread of its own.
    tokio::task::spawn_blocking(move || notification.show().map(drop)).await.unwrap_or(Ok(()))
}
