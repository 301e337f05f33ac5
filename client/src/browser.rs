//! Opens the browser, only when the user has run a command that signs in. The address is passed as one argument,
//! without a shell, so that no character in it is interpreted.

use std::process::{Command, Stdio};

/// Returns whether the user can see a browser on this machine. Over SSH the user cannot: the user's browser runs on the
/// other machine and cannot reach the sign-in's callback on this one.
pub(crate) fn is_available() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("SSH_CONNECTION") || set("SSH_TTY") {
        return false;
    }
    cfg!(target_os = "macos")
        || ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"].into_iter().any(set)
}

/// Opens the address with the command, or with the system's browser if there is none. Returns whether it started.
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
