//! Which variables of its environment the daemon may have, and those of them that change how it calls AWS.
//!
//! The daemon runs for weeks, and its environment is that of the shell that happened to start it. So it keeps only the
//! variables that it needs and those that its documentation names. `ssod status` shows the ones in force.

use crate::Paths;

/// The variables that name a proxy for HTTPS, in the order in which they count.
pub const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that list the hosts which are called without the proxy, in the order in which they count.
pub const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// The variable with a file of certificates.
pub const CA_BUNDLE_VARIABLE: &str = "AWS_CA_BUNDLE";

/// The variables that change which of Identity Center's endpoints are called.
pub const ENDPOINT_VARIABLES: [&str; 5] = [
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
];

/// The other variables, by their whole names: the user and the folders, the language, and the session bus.
const OTHER_VARIABLES: [&str; 17] = [
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "RUST_BACKTRACE",
    "SECURITYSESSIONID",
];

/// How the names of further variables begin: folders, ssod's own variables, the language, and what service managers
/// pass on.
const PREFIXES: [&str; 6] = ["XDG_", "SSOD_", "LC_", "LISTEN_", "XPC_", "__CF"];

/// What the dynamic loader obeyed before the program started, so that its removal would protect nothing; libfaketime,
/// which it loads in tests, needs its own.
const LOADER_PREFIXES: [&str; 3] = ["LD_", "DYLD_", "FAKETIME"];

/// The variables that glibc's allocator obeys from the start of the program on, with the daemon's values; it has no
/// other interface without `unsafe`. By default, each thread gets a part of the heap of its own, and after a large
/// buffer was freed once, freed memory stays with the process. With these, a profile that is kept fresh takes 2.9 KB
/// instead of 10 KB, and 256 connections leave 7 MB behind instead of 10 MB. mimalloc 3 takes 17 MB more when idle, and
/// jemalloc 5 takes 2 MB more, and 8 KB for a profile.
#[cfg(target_os = "linux")]
pub const ALLOCATOR_VARIABLES: &[(&str, &str)] = &[
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
    ("MALLOC_TOP_PAD_", "16384"),
];
/// Other systems have other allocators.
#[cfg(not(target_os = "linux"))]
pub const ALLOCATOR_VARIABLES: &[(&str, &str)] = &[];

/// Returns whether the daemon keeps the variable. A client that starts a daemon passes no other.
pub fn is_daemon_variable(name: &str) -> bool {
    OTHER_VARIABLES.contains(&name)
        || Paths::VARIABLES.contains(&name)
        || ENDPOINT_VARIABLES.contains(&name)
        || PROXY_VARIABLES.contains(&name)
        || NO_PROXY_VARIABLES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns whether the variable has its effect before the program starts.
pub fn is_loader_variable(name: &str) -> bool {
    LOADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the first of the variables that is set and not empty, with its value.
pub fn first_set(
    names: &[&'static str],
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    let set = |name: &&'static str| Some((*name, variable(name).filter(|value| !value.is_empty())?));
    names.iter().find_map(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_keeps_what_it_needs_and_what_status_shows() {
        for kept in [
            "HOME",
            "PATH",
            "XDG_RUNTIME_DIR",
            "SSOD_LOG",
            "AWS_CONFIG_FILE",
            "AWS_CA_BUNDLE",
            "AWS_ENDPOINT_URL_SSO",
            "HTTPS_PROXY",
            "all_proxy",
            "no_proxy",
            "LISTEN_FDS",
            "NOTIFY_SOCKET",
            "DBUS_SESSION_BUS_ADDRESS",
        ] {
            assert!(is_daemon_variable(kept), "{kept}");
        }
        for dropped in [
            "AWS_ENDPOINT_URL",
            "AWS_PROFILE",
            "AWS_ACCESS_KEY_ID",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "SSLKEYLOGFILE",
            "HTTP_PROXY",
            "http_proxy",
            "REQUEST_METHOD",
            "RUST_LOG",
            "HOSTALIASES",
            "LD_PRELOAD",
            "MALLOC_TRACE",
            "EDITOR",
            "",
        ] {
            assert!(!is_daemon_variable(dropped), "{dropped}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_unit_sets_the_allocators_variables() {
        let unit = include_str!("../../../systemd/ssod.service");
        let line = ALLOCATOR_VARIABLES.iter().map(|(name, value)| format!("{name}={value}"));
        let line = format!("\nEnvironment={}\n", line.collect::<Vec<_>>().join(" "));
        assert!(unit.contains(&line), "otherwise the daemon starts itself again with them: {line}");
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let shell = |name: &str| match name {
            "HTTPS_PROXY" => Some(String::new()),
            "all_proxy" => Some("http://proxy".to_owned()),
            _ => None,
        };
        assert_eq!(first_set(&PROXY_VARIABLES, shell), Some(("all_proxy", "http://proxy".to_owned())));
        assert_eq!(first_set(&NO_PROXY_VARIABLES, shell), None);
    }
}
