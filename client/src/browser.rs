//! Opening the browser: only ever because a person asked for it, with the address as one argument and no shell.

use std::process::{Command, Stdio};

/// Whether this machine has a browser that the person sees. Over SSH it has not: the browser is on the other machine,
/// where the callback cannot be reached.
pub(crate) fn is_here() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("SSH_CONNECTION") || set("SSH_TTY") {
        return false;
    }
    cfg!(target_os = "macos")
        || ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"].into_iter().any(set)
}

/// Opens the address with that command, or with the system's browser. Tells whether that worked.
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
