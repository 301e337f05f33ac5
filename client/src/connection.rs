//! Connects to the daemon, and starts one if none runs.

use ssod_control::{ControlClient, DaemonStatus, Paths};
use ssod_profiles::EndpointVariables;

use crate::error::CommandResult;
use crate::{daemon_process, service, terminal};

/// Connects to the daemon, and warns if its version or environment differs from this client's.
pub(crate) fn connect(paths: &Paths) -> CommandResult<ControlClient> {
    let client = connect_quietly(paths)?;
    warn_of_differences(paths, &client.get("/v1/daemon")?);
    Ok(client)
}

/// Connects without that comparison, for commands that run often or that compare by themselves.
pub(crate) fn connect_quietly(paths: &Paths) -> CommandResult<ControlClient> {
    if let Some(client) = daemon_process::find_running(paths)? {
        return Ok(client);
    }
    if service::start_installed()
        && let Some(client) = daemon_process::find_running(paths)?
    {
        return Ok(client);
    }
    daemon_process::start(paths)
}

fn warn_of_differences(paths: &Paths, daemon: &DaemonStatus) {
    let mut differences = Vec::new();
    if daemon.version != env!("CARGO_PKG_VERSION") {
        differences.push(format!(
            "has version {} (this client: {})",
            daemon.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    if daemon.config_file != paths.aws_config.display().to_string() {
        differences.push(format!(
            "reads {} (this client: {})",
            daemon.config_file,
            paths.aws_config.display()
        ));
    }
    for name in EndpointVariables::VARIABLES {
        let own = std::env::var(name).ok().filter(|value| !value.is_empty());
        let daemons =
            daemon.overrides.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        if own != daemons {
            let show = |value: Option<String>| value.unwrap_or_else(|| "unset".to_owned());
            differences.push(format!("has {name} {} (this client: {})", show(daemons), show(own)));
        }
    }
    for difference in differences {
        terminal::eprintln(&format!(
            "warning: the ssod daemon {difference}; the daemon's value is used. To change that, stop it (kill {}); the next ssod command starts it with the values of this shell",
            daemon.pid
        ));
    }
}
