//! Opens the browser, only when the user asked for a sign-in. The address is one argument, and no shell is involved.

use std::process::{Command, Stdio};

/// Returns whether this machine has a browser that the user sees. Over SSH it has none: the user's browser is on the other
/// machine and cannot reach the callback on this one.
pub(crate) fn is_available() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("SSH_CONNECTION") || set("SSH_TTY") {
        return false;
    }
    cfg!(target_os = "macos")
        || ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"].into_iter().any(set)
}

/// Opens the address with the command, or with the system's browser if the command is empty. Returns whether it started.
pub(crate) fn open(url: &str, command: &str) -> bool {
    let mut words = command.split_whitespace().map(|word| word.replace("{url}", url)).collect::<Vec<_>>();
    if words.is_empty() {
        return webbrowser::open(url).is_ok();
    }
    if !command.contains("{url}") {
        words.push(url.to_owned());
    }
    let spawned = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.is_ok()
}
