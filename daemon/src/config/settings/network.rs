//! `[network]`: how AWS is called.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ssod_broker::Policy;

use super::file::Table;
use super::value::{loopback_addresses, rate, text};

/// `[network]`
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSettings {
    /// A proxy URL; if empty, the environment's proxy is used.
    pub proxy: String,
    /// A file of certificates to trust in addition to the system's; if empty, `AWS_CA_BUNDLE` is used.
    pub ca_bundle: String,
    /// Calls to the portal per second.
    pub portal_rate: f64,
    /// Listeners on this machine that may get secrets in clear text although another user runs them.
    pub trusted_endpoints: BTreeSet<SocketAddr>,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            proxy: String::new(),
            ca_bundle: String::new(),
            portal_rate: Policy::default().portal_rate,
            trusted_endpoints: BTreeSet::new(),
        }
    }
}

impl NetworkSettings {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let Self { proxy, ca_bundle, portal_rate, trusted_endpoints } = Self::default();
        Self {
            proxy: table.read("proxy", proxy, |value| text(value, "http://proxy.example.com:3128")),
            ca_bundle: table.read("ca_bundle", ca_bundle, |value| text(value, "~/certificates.pem")),
            portal_rate: table.read("portal_rate", portal_rate, rate),
            trusted_endpoints: table.read("trusted_endpoints", trusted_endpoints, loopback_addresses),
        }
    }
}
