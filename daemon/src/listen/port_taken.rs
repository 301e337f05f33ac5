//! The error for a port that another program holds: which program, and what to do.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use ssod_control::{ControlClient, DaemonStatus};
use ssod_model::Program;
use ssod_peer::PortHolder;

/// How long all other daemons of this user may take to say which port they have.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// The name of the daemon's process and of its socket's file.
const DAEMON: &str = "ssod-daemon";
const SOCKET: &str = "control.sock";

/// Which setting names the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortSetting {
    /// `port` under `[endpoint]`.
    Endpoint,
    /// A profile's port under `[imds] profiles`.
    Imds,
}

/// Who holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// The ssod of this user with another home folder.
    OtherHome {
        /// That folder.
        home: String,
        /// The daemon's process.
        pid: u32,
    },
    /// A program of this user.
    Own(Program),
    /// A program of this user that hides its descriptors. This may be one of the user's other daemons of ssod, whose
    /// processes are listed.
    OwnHidden {
        /// The processes.
        daemons: Vec<u32>,
    },
    /// Another user.
    OtherUser {
        uid: u32,
        name: Option<String>,
        /// The user's program; known to root only.
        program: Option<Program>,
        /// The user's daemons of ssod.
        daemons: Vec<u32>,
    },
    /// The kernel does not tell.
    Unknown,
}

/// Returns the error for a port that cannot be bound. It searches the holder, which takes up to a second.
pub(crate) fn error(setting: PortSetting, port: u16, error: &io::Error) -> anyhow::Error {
    if error.kind() != io::ErrorKind::AddrInUse {
        return anyhow::anyhow!(
            "cannot listen on port {port} of 127.0.0.1: {error}. {}",
            other_port(setting)
        );
    }
    anyhow::anyhow!("{}", sentence(setting, port, &find(port)))
}

fn find(port: u16) -> Holder {
    let own = ssod_peer::own_uid();
    let Some(PortHolder { uid, program }) = ssod_peer::port_holder(port) else { return Holder::Unknown };
    let is_daemon = program.as_ref().is_none_or(|program| program.name == DAEMON);
    let others = |uid| {
        let daemons = ssod_peer::processes_named(DAEMON, uid);
        daemons.into_iter().filter(|pid| *pid != std::process::id()).collect()
    };
    match program {
        program if uid != own => {
            Holder::OtherUser { uid, name: ssod_peer::user_name(uid), program, daemons: others(uid) }
        }
        Some(program) if !is_daemon => Holder::Own(program),
        _ => match other_daemon(port) {
            Some(DaemonStatus { home, pid, .. }) => Holder::OtherHome { home, pid },
            None => Holder::OwnHidden { daemons: others(uid) },
        },
    }
}

/// Asks this user's other daemons which of them has the port.
fn other_daemon(port: u16) -> Option<DaemonStatus> {
    let own =
        |socket: &Path| std::fs::metadata(socket).is_ok_and(|facts| facts.uid() == ssod_peer::own_uid());
    let (tell, answers) = mpsc::channel();
    for socket in ssod_peer::listening_sockets(SOCKET).into_iter().filter(|socket| own(socket)) {
        let tell = tell.clone();
        // A daemon that hangs must not keep this one from reporting its error.
        std::thread::spawn(move || {
            let client = ControlClient::new(&socket);
            if let Ok(status) = client.get_within::<DaemonStatus>("/v1/daemon", ANSWER_TIMEOUT) {
                // The error may have been reported already.
                let _ = tell.send(status);
            }
        });
    }
    drop(tell);
    let deadline = std::time::Instant::now() + ANSWER_TIMEOUT;
    let has_port =
        |status: &DaemonStatus| status.port == port || status.imds_ports.iter().any(|imds| imds.port == port);
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let status = answers.recv_timeout(left).ok()?;
        if has_port(&status) {
            return Some(status);
        }
    }
}

fn sentence(setting: PortSetting, port: u16, holder: &Holder) -> String {
    let reason = match setting {
        PortSetting::Endpoint => {
            "; ssod never changes its port automatically, because open shells would send their tokens to the old one"
        }
        PortSetting::Imds => "",
    };
    let other_port = other_port(setting);
    let remedy = match holder {
        Holder::OtherHome { home, pid } => {
            format!("End it (HOME={home} ssod service stop, or: kill {pid}), or {}", lower_first(other_port))
        }
        Holder::Own(program) if program.name == "systemd" => {
            format!(
                "To find the unit: systemctl --user list-sockets. Stop it, or {}",
                lower_first(other_port)
            )
        }
        Holder::Own(program) => format!("End it (kill {}), or {}", program.pid, lower_first(other_port)),
        Holder::OwnHidden { .. } | Holder::Unknown => {
            format!("End that program, or {}", lower_first(other_port))
        }
        Holder::OtherUser { .. } => other_port.to_owned(),
    };
    format!("port {port} on 127.0.0.1 is taken: {}. {remedy}{reason}", describe(holder))
}

fn other_port(setting: PortSetting) -> &'static str {
    match setting {
        PortSetting::Endpoint => "Set another port under [endpoint] in config.toml",
        PortSetting::Imds => "Set another port under [imds] profiles in config.toml",
    }
}

fn lower_first(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

fn describe(holder: &Holder) -> String {
    match holder {
        Holder::OtherHome { home, pid } => {
            format!("the ssod of another HOME, {home} (process {pid}), holds it")
        }
        Holder::Own(program) => format!("{} holds it", describe_program(program)),
        Holder::OwnHidden { daemons } => match daemons.as_slice() {
            [] => "another program of yours holds it".to_owned(),
            [daemon, ..] => format!("another ssod of yours (process {daemon}) probably holds it"),
        },
        Holder::OtherUser { uid, name, program, daemons } => {
            let user = match name {
                Some(name) => format!("user {name} (uid {uid})"),
                None => format!("user {uid}"),
            };
            match (program, daemons.as_slice()) {
                (Some(program), _) => format!("{} of {user} holds it", describe_program(program)),
                (None, [daemon, ..]) => format!("{user} holds it, probably by ssod (process {daemon})"),
                (None, []) => format!("{user} holds it"),
            }
        }
        Holder::Unknown => "another program holds it".to_owned(),
    }
}

fn describe_program(program: &Program) -> String {
    let path: String = program.path.chars().filter(|character| !character.is_control()).collect();
    format!("{} (process {}, {path})", program.name, program.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> Program {
        Program { pid: 7, path: format!("/usr/bin/{name}"), name: name.to_owned() }
    }

    #[test]
    fn the_error_names_the_holder_and_what_to_do() {
        let other_user = |name: Option<&str>, program, daemons: &[u32]| Holder::OtherUser {
            uid: 1001,
            name: name.map(str::to_owned),
            program,
            daemons: daemons.to_vec(),
        };
        let other_home = Holder::OtherHome { home: "/tmp/x".into(), pid: 9 };
        for (holder, names, remedy) in [
            (
                other_home,
                "the ssod of another HOME, /tmp/x (process 9), holds it",
                "HOME=/tmp/x ssod service stop, or: kill 9",
            ),
            (Holder::Own(program("nginx")), "nginx (process 7, /usr/bin/nginx) holds it", "kill 7), or set"),
            (Holder::Own(program("systemd")), "systemd (process 7", "systemctl --user list-sockets"),
            (Holder::OwnHidden { daemons: vec![] }, "another program of yours holds it", "End that program"),
            (
                Holder::OwnHidden { daemons: vec![5] },
                "another ssod of yours (process 5) probably holds",
                "or set",
            ),
            (
                other_user(None, None, &[]),
                "is taken: user 1001 holds it.",
                "Set another port under [endpoint]",
            ),
            (
                other_user(Some("bob"), None, &[4]),
                "user bob (uid 1001) holds it, probably by ssod (process 4)",
                "Set",
            ),
            (
                other_user(Some("bob"), Some(program("nc")), &[4]),
                "nc (process 7, /usr/bin/nc) of user bob",
                "Set",
            ),
            (Holder::Unknown, "another program holds it", "End that program, or set another port"),
        ] {
            let text = sentence(PortSetting::Endpoint, 7746, &holder);
            assert!(text.starts_with("port 7746 on 127.0.0.1 is taken: "), "{text}");
            assert!(text.contains(names) && text.contains(remedy), "{text}");
        }
        let imds = sentence(PortSetting::Imds, 7747, &Holder::Unknown);
        assert!(imds.ends_with("or set another port under [imds] profiles in config.toml"), "{imds}");
        let refused = error(PortSetting::Endpoint, 80, &io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(refused.contains("cannot listen on port 80") && !refused.contains("taken"), "{refused}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_of_the_user_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let Holder::Own(program) = find(socket.local_addr().unwrap().port()) else { panic!("no program") };
        assert_eq!(program.pid, std::process::id());
    }
}
