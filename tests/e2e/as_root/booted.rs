//! Boots systemd in a container with an ordinary user who lingers, and tests the installed units: under load, and after
//! a reboot. `cargo xtask test` creates and caches the root file system, and the test uses a copy of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use ssod_control::Status;
use ssod_testkit::{ChildProcess, CommandOutput, programs, run, wait_until, wait_until_within};
use tempfile::TempDir;

/// The container's user. This machine must not have a user with this uid, because the kernel's keyrings belong to a
/// uid. It is below the uids of systemd's dynamic users, who have no journal.
const UID: u32 = 50_701;
const PORT: u16 = 7_746;
const FAKE: &str = "http://127.0.0.1:8400";

/// A container. It is stopped and removed on drop.
struct Machine {
    root: TempDir,
    container: Option<ChildProcess>,
}

impl Machine {
    /// Creates a container with the fake and with the package, but neither installs the package nor boots the
    /// container.
    fn new() -> Self {
        let rootfs = std::env::var_os("SSOD_TEST_ROOTFS").map(PathBuf::from);
        let rootfs = rootfs.expect("SSOD_TEST_ROOTFS is not set: run these tests with cargo xtask test");
        let root = tempfile::Builder::new().prefix("ssod-machine-").tempdir().unwrap();
        run(Command::new("cp").arg("-a").arg(format!("{}/.", rootfs.display())).arg(root.path())).succeeded();
        let machine = Self { root, container: None };
        let package =
            std::env::var_os("SSOD_TEST_DEB").expect("SSOD_TEST_DEB is not set: run cargo xtask test");
        fs::copy(package, machine.at("ssod.deb")).unwrap();
        fs::copy(programs().join("fake-identity-center"), machine.at("usr/bin/fake-identity-center"))
            .unwrap();
        let user = ["-R", machine.root.path().to_str().unwrap(), "-m", "-u", &UID.to_string(), "alice"];
        run(Command::new("useradd").args(user)).succeeded();
        // A persistent journal, as on a real Debian.
        for folder in ["var/lib/systemd/linger", "var/log/journal"] {
            fs::create_dir_all(machine.at(folder)).unwrap();
        }
        fs::File::create(machine.at("var/lib/systemd/linger/alice")).unwrap();
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Writes a file in alice's home folder.
    fn write(&self, path: &str, text: &str) {
        let file = self.at("home/alice").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        let owner = format!("{UID}:{UID}");
        run(Command::new("chown").args(["-R", &owner]).arg(self.at("home/alice"))).succeeded();
    }

    fn boot(&mut self) {
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn.arg("-D").arg(self.root.path());
        nspawn.args(["--boot", "--register=no", "--keep-unit", "--private-network", "--machine=ssod-test"]);
        self.container = Some(ChildProcess::start(nspawn.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")));
        wait_until_within(Duration::from_mins(3), "the machine has booted", || {
            self.leader().is_some()
                && self.alice("systemctl --user is-system-running").stdout.trim() == "running"
        });
    }

    fn power_off(&mut self) {
        let container = self.container.take().unwrap();
        container.signal(Signal::TERM);
        assert!(container.wait(Duration::from_mins(1)).is_some(), "the machine does not stop");
    }

    /// Returns the container's first process: the child of nspawn that has the process id 1 in its namespace.
    fn leader(&self) -> Option<String> {
        let parent = self.container.as_ref()?.pid();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        let is_first = |pid: &&str| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let pids = status.lines().find(|line| line.starts_with("NSpid:")).unwrap_or_default();
            pids.split_whitespace().skip(2).eq(["1"])
                && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd")
        };
        children.split_whitespace().find(is_first).map(str::to_owned)
    }

    /// Returns a command that runs in the container as root.
    fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "-t",
            &self.leader().expect("the machine runs"),
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            "-C",
            "--",
        ]);
        command
    }

    /// Returns a command that runs a shell command in the container as alice.
    fn alice_command(&self, line: &str) -> Command {
        let mut command = self.inside();
        command.args(["runuser", "-u", "alice", "--", "env", "-i", "HOME=/home/alice", "PATH=/usr/bin:/bin"]);
        command.arg(format!("XDG_RUNTIME_DIR=/run/user/{UID}"));
        command.arg(format!("DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{UID}/bus"));
        command.args([
            "AWS_ENDPOINT_URL_SSO=http://127.0.0.1:8400",
            "AWS_ENDPOINT_URL_SSO_OIDC=http://127.0.0.1:8400",
        ]);
        command.args(["sh", "-c", &format!("cd; {line}")]);
        command
    }

    /// Runs a shell command in the container as alice, and waits for its end.
    fn alice(&self, line: &str) -> CommandOutput {
        run(&mut self.alice_command(line))
    }

    /// Signs in with a device code.
    fn sign_in(&self) {
        let login = ChildProcess::start(
            &mut self.alice_command("ssod login adminUser --device-code --no-browser --json"),
        );
        let event: serde_json::Value = serde_json::from_str(&login.next_line()).unwrap();
        let code = event["code"].as_str().unwrap();
        let approve = format!("curl -sf -d user_code={code} -d user=alice -d action=approve {FAKE}/device");
        self.alice(&approve).succeeded();
        assert_eq!(login.wait(Duration::from_mins(1)), Some(0));
    }

    /// Requests credentials, as an SDK would.
    fn request_credentials(&self) -> CommandOutput {
        self.alice(&format!(
            "curl -sS -m 20 -w '%{{http_code}}' -H \"Authorization: $(cat $XDG_RUNTIME_DIR/ssod/tokens/profile-adminUser)\" \
             http://127.0.0.1:{PORT}/credentials/adminUser"
        ))
    }

    /// Returns the process id of the daemon.
    fn daemon_pid(&self) -> String {
        let pid =
            self.alice("systemctl --user show --value -p MainPID ssod.service").succeeded().trim().to_owned();
        assert_ne!(pid, "0");
        pid
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let Some(container) = &mut self.container else { return };
        // A graceful stop, so that the container removes its mounts.
        if let Some(pid) = Pid::from_raw(i32::try_from(container.pid()).unwrap()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        container.wait(Duration::from_mins(1));
    }
}

/// Tries operations that the unit's sandbox must refuse, and operations that it must allow.
const PROBE: &str = r#"
import ctypes, errno, mmap, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
def outcome(work):
    try:
        work()
        return None
    except OSError as error:
        return errno.errorcode[error.errno]
PROBES = {
    "writable and executable memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "an unusual address family": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "a call that no service needs": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "a namespace": lambda: call("unshare", 0x10000000),
    "another personality": lambda: call("personality", 0x0040000),
}
print({name: outcome(work) for name, work in PROBES.items()})
print([line for line in open("/proc/self/status") if line.startswith("NoNewPrivs")])
socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4).close()
if "sandboxed" in sys.argv:
    assert os.readlink("/proc/self/ns/user") == os.readlink("/proc/%d/ns/user" % os.getppid()), "a user namespace"
"#;

/// Checks that the audit log names the program, so no namespace hides it.
fn assert_programs_are_audited(machine: &Machine) {
    // The program stays connected until the daemon has identified it.
    let script = format!(
        "import http.client, os, time\n\
         token = open(os.environ['XDG_RUNTIME_DIR'] + '/ssod/tokens/profile-adminUser').read()\n\
         connection = http.client.HTTPConnection('127.0.0.1', {PORT})\n\
         connection.request('GET', '/credentials/adminUser', headers={{'Authorization': token}})\n\
         assert connection.getresponse().status == 200\n\
         time.sleep(60)\n"
    );
    machine.write("connected.py", &script);
    // The shell ends the program, because it would continue in the container after a kill from outside.
    let line = "python3 connected.py & connected=$!
        for attempt in $(seq 300); do
            ssod audit --profile adminUser | grep connected.py && break
            sleep 0.1
        done
        kill $connected";
    assert!(
        machine.alice(line).succeeded().contains("connected.py"),
        "the audit log does not have the program"
    );
}

/// Checks that an upgrade restarts the service, and names a daemon that no service manager runs.
fn assert_an_upgrade_restarts_the_service(machine: &Machine) {
    let as_root = |line: &str| {
        run(machine.inside().args([
            "env",
            "-i",
            "HOME=/root",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "sh",
            "-c",
            line,
        ]))
    };
    as_root("ssod service start").succeeded();
    let is_reported = || as_root("ssod doctor").stdout.contains("still runs the previous one");
    assert!(!is_reported());
    let before = machine.daemon_pid();
    let upgraded = as_root("dpkg --install /ssod.deb").succeeded();
    assert_ne!(machine.daemon_pid(), before, "{upgraded}");
    assert!(machine.request_credentials().stdout.ends_with("200"));
    assert!(!machine.alice("ssod doctor").stdout.contains("still runs the previous one"));
    let named: Vec<_> =
        upgraded.lines().filter(|line| line.contains("still runs the previous version")).collect();
    assert!(matches!(named.as_slice(), [only] if only.contains("of root still")), "{upgraded}");
    assert!(is_reported());
    as_root("ssod service stop && ssod service start").succeeded();
    assert!(!is_reported());
    as_root("ssod service stop").succeeded();
}

/// Checks that two kills under load lose no request.
fn assert_survives_kills_under_load(machine: &Machine) {
    // Eight clients send requests at the same time. A new connection waits in the backlog and is answered. An accepted
    // connection ends with the process (curl's codes 52 and 56). No connection may be refused (code 7), and no answer
    // may be wrong.
    let line = format!(
        "token=$(cat $XDG_RUNTIME_DIR/ssod/tokens/profile-adminUser)
        request() {{ curl -s -m 20 -o /dev/null -w '%{{http_code}} %{{exitcode}}\\n' -H \"Authorization: $token\" \
            http://127.0.0.1:{PORT}/credentials/adminUser; }}
        for client in 1 2 3 4 5 6 7 8; do (for number in $(seq 40); do request; done) & done
        for kill in 1 2; do sleep 0.2; systemctl --user kill --signal=KILL ssod.service; sleep 2.2; done
        wait"
    );
    let before = machine.daemon_pid();
    let output = machine.alice(&line).succeeded();
    let answers = |code: &str| output.lines().filter(|line| *line == code).count();
    let interrupted = answers("000 52") + answers("000 56");
    assert_eq!(answers("200 0") + interrupted, 8 * 40, "{output}");
    assert!(answers("200 0") > 8 * 35 && machine.daemon_pid() != before, "{output}");
}

/// Checks that the watchdog restarts a daemon whose renewal loop hangs.
fn assert_watchdog_restarts_a_hanging_daemon(machine: &Machine) {
    let packaged = machine.alice("systemctl --user show --property=WatchdogUSec ssod.service").succeeded();
    assert_eq!(packaged.trim(), "WatchdogUSec=1min");
    // Only a debug build can be made to hang.
    fs::remove_file(machine.at("usr/bin/ssod-daemon")).unwrap();
    fs::copy(programs().join("ssod-daemon"), machine.at("usr/bin/ssod-daemon")).unwrap();
    machine.write(
        ".config/systemd/user/ssod.service.d/stall.conf",
        "[Service]\nWatchdogSec=2\nEnvironment=SSOD_TEST_STALL_ENGINE=/home/alice/stall\n",
    );
    machine.alice("systemctl --user daemon-reload && systemctl --user restart ssod.service").succeeded();
    let before = machine.daemon_pid();
    // Twice the watchdog's interval.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(machine.daemon_pid(), before, "a healthy daemon was restarted");
    machine.write("stall", "");
    wait_until("the watchdog restarts the daemon", || {
        machine.alice("journalctl --user -u ssod.service").stdout.contains("Watchdog timeout")
    });
    machine.alice("rm stall").succeeded();
    assert!(machine.request_credentials().stdout.ends_with("200"));
    assert_ne!(machine.daemon_pid(), before);
}

/// Checks that the unit's sandbox refuses what it must refuse.
fn assert_is_hardened(machine: &Machine) {
    // Outside the unit, the same operations succeed, so the unit refuses them. Only the raw socket is refused there,
    // too, by the kernel and with EPERM.
    let without_unit = "{'writable and executable memory': None, 'an unusual address family': 'EPERM', 'a call that no service needs': None, \
                'a namespace': None, 'another personality': None}\n['NoNewPrivs:\\t0\\n']";
    let in_unit = "{'writable and executable memory': 'EPERM', 'an unusual address family': 'EAFNOSUPPORT', \
                'a call that no service needs': 'EPERM', 'a namespace': 'EPERM', 'another personality': 'EPERM'}";
    machine.write("probe.py", PROBE);
    let outside = machine.alice("python3 probe.py").succeeded();
    assert_eq!(outside.trim(), without_unit);
    let unit = fs::read_to_string(machine.at("usr/lib/systemd/user/ssod.service")).unwrap();
    let probe = unit
        .replace("Wants=ssod.socket\n", "")
        .replace("After=ssod.socket\n", "")
        .replace("Type=notify", "Type=oneshot")
        .replace("Restart=always", "Restart=no")
        .replace(
            "ExecStart=/usr/bin/ssod-daemon",
            "ExecStart=/usr/bin/python3 /home/alice/probe.py sandboxed",
        );
    machine.write(".config/systemd/user/probe.service", &probe);
    let probed = machine.alice("systemctl --user daemon-reload; systemctl --user start probe.service");
    let journal = machine.alice("journalctl --user -o cat -u probe.service").stdout;
    assert_eq!(probed.status, 0, "{journal}");
    assert!(journal.contains(in_unit) && journal.contains("['NoNewPrivs:\\t1\\n']"), "{journal}");
}

#[test]
fn the_service_is_available_from_login_under_load_and_after_a_reboot() {
    let mut machine = Machine::new();
    machine.write(
        ".config/ssod/config.toml",
        "[vault]\nkey = \"file\"\n[imds]\nprofiles = { adminUser = 7747 }\n",
    );
    machine.write(
        ".config/systemd/user/fake.service",
        "[Service]\nExecStart=/usr/bin/fake-identity-center --port 8400\n[Install]\nWantedBy=default.target\n",
    );
    machine.write(
        ".config/systemd/user/ssod.service.d/fake.conf",
        "[Service]\nEnvironment=AWS_ENDPOINT_URL_SSO=http://127.0.0.1:8400 AWS_ENDPOINT_URL_SSO_OIDC=http://127.0.0.1:8400\n",
    );
    machine.boot();
    machine.alice("systemctl --user daemon-reload && systemctl --user enable --now fake.service").succeeded();
    let config = machine
        .alice(&format!("curl -sf --retry 20 --retry-connrefused --retry-delay 1 {FAKE}/fake/aws-config"));
    machine.write(".aws/config", &config.succeeded());

    // Installs the package as a user does.
    run(machine.inside().args(["dpkg", "--install", "/ssod.deb"])).succeeded();
    assert!(machine.alice("ssod --version").succeeded().contains("release build"));
    assert!(
        machine
            .alice("ls /usr/share/man/man1 /usr/share/bash-completion/completions")
            .succeeded()
            .contains("ssod-login.1")
    );
    let installed = machine.alice("ssod service install").succeeded();
    assert!(installed.contains("7746, 7747"), "{installed}");
    let listening = machine.alice("ss -Hltnx").succeeded();
    for socket in ["127.0.0.1:7746", "127.0.0.1:7747", &format!("/run/user/{UID}/ssod/control.sock")] {
        assert!(listening.contains(socket), "{socket} is not in {listening}");
    }
    machine.sign_in();
    // A shell that asks for the profile's variables makes the daemon write the token file.
    machine.alice("ssod env adminUser").succeeded();
    assert!(machine.request_credentials().succeeded().ends_with("200"));
    let status =
        machine.alice("systemctl --user status ssod.service; ssod service status; ssod status").stdout;
    assert!(status.contains("1 of 2 sessions signed in, 2 profiles; port 7746"), "{status}");
    let status = machine.alice("ssod status --json").succeeded();
    let status: Status = serde_json::from_str(&status).unwrap();
    assert_eq!(status.daemon.problems, [""; 0]);
    let journal = machine.alice("journalctl --user -u ssod.service -o json");
    assert!(journal.stdout.contains("\"PORT\":\"7746\""), "{journal:?}");
    assert!(machine.alice("ssod service logs").succeeded().contains("ssod is ready"));

    assert_programs_are_audited(&machine);
    assert_an_upgrade_restarts_the_service(&machine);
    assert_survives_kills_under_load(&machine);
    assert_watchdog_restarts_a_hanging_daemon(&machine);
    assert_is_hardened(&machine);
    // After a reboot, the first request is answered without a sign-in, because the key is in a file.
    machine.power_off();
    machine.boot();
    let answer = machine.request_credentials();
    assert!(answer.stdout.ends_with("200"), "{answer:?}");
    machine.alice("ssod service uninstall").succeeded();
    assert!(!machine.alice("ss -Hltn").succeeded().contains("7746"));
    run(machine.inside().args(["dpkg", "--purge", "ssod"])).succeeded();
    assert!(!machine.at("usr/bin/ssod").exists() && !machine.at("usr/lib/systemd/user/ssod.socket").exists());
}
