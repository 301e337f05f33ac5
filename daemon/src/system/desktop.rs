//! Shows a notification on the user's desktop.

use anyhow::Result;

/// Shows the texts literally, without markup. Names in them come from files. Fails if there is no desktop.
pub(crate) async fn show(summary: &str, body: &str) -> Result<()> {
    show_literally(&visible(summary), &visible(body)).await
}

/// Replaces the characters that change how the text around them is shown: control characters, and the marks that change
/// the direction of writing.
fn visible(text: &str) -> String {
    let is_mark = |character| matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_unseen = |character: char| character.is_control() || is_mark(character);
    text.chars().map(|character| if is_unseen(character) { '\u{fffd}' } else { character }).collect()
}

#[cfg(target_os = "linux")]
async fn show_literally(summary: &str, body: &str) -> Result<()> {
    use std::collections::HashMap;

    use zbus::zvariant::Value;

    let (no_replaced_id, no_icon, default_timeout) = (0_u32, "", -1_i32);
    let (no_actions, no_hints): (&[&str], HashMap<&str, Value<'_>>) = (&[], HashMap::new());
    let connection = zbus::Connection::session().await?;
    let body = if parses_markup(&connection).await { escape_markup(body) } else { body.to_owned() };
    let arguments = ("ssod", no_replaced_id, no_icon, summary, body, no_actions, no_hints, default_timeout);
    call(&connection, "Notify", &arguments).await?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn show_literally(summary: &str, body: &str) -> Result<()> {
    let mut notification = notify_rust::Notification::new();
    notification.appname("ssod").summary(summary).body(body);
    // The call blocks.
    tokio::task::spawn_blocking(move || notification.show().map(drop)).await??;
    Ok(())
}

/// Returns whether the desktop parses the body as markup. A desktop that does not would show the escapes.
#[cfg(target_os = "linux")]
async fn parses_markup(connection: &zbus::Connection) -> bool {
    let reply = call(connection, "GetCapabilities", &()).await;
    let capabilities = reply.and_then(|reply| reply.body().deserialize::<Vec<String>>());
    // Without an answer, markup is assumed: a visible escape is better than interpreted markup.
    capabilities.map_or(true, |capabilities| capabilities.iter().any(|name| name == "body-markup"))
}

/// Calls a method of the interface of the Desktop Notifications Specification.
#[cfg(target_os = "linux")]
async fn call<B>(connection: &zbus::Connection, method: &str, arguments: &B) -> zbus::Result<zbus::Message>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    let (name, path) = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications");
    connection.call_method(Some(name), path, Some(name), method, arguments).await
}

/// Escapes the characters that are special in the specification's markup, a subset of XML.
#[cfg(target_os = "linux")]
fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_change_the_text_around_them_are_replaced() {
        assert_eq!(
            visible("a\u{1b}[31m\u{202e}b\n\u{2066}c\u{200f}"),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}"
        );
        assert_eq!(visible("Sitzung \"Büro\" 会议"), "Sitzung \"Büro\" 会议");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_body_cannot_contain_markup() {
        assert_eq!(escape_markup("<a href=\"x\">R&D</a>"), "&lt;a href=\"x\"&gt;R&amp;D&lt;/a&gt;");
    }
}
