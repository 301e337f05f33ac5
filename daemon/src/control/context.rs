//! The handles that routes may use. The signature of each route names the ones that it needs.

use std::sync::Arc;

use axum::extract::FromRef;
use ssod_clock::Clock;
use ssod_control::Paths;
use ssod_sign_in::CallbackRules;

use crate::audit::AuditLog;
use crate::config::aws_config::LiveAwsConfig;
use crate::config::live_settings::LiveSettings;
use crate::config::network::Network;
use crate::config::problem::Problems;
use crate::listen::imds_ports::ImdsPorts;
use crate::live_broker::LiveBroker;
use crate::state_file::StateFile;
use crate::vault::endpoint_tokens::LiveEndpointTokens;
use crate::vault::keeper::VaultKeeper;

/// The handles that a route can take as an argument, for example `State<VaultKeeper>`. They are cheap to clone.
#[derive(Clone, FromRef)]
pub(crate) struct ControlContext {
    pub(crate) broker: LiveBroker,
    pub(crate) clock: Clock,
    pub(crate) settings: LiveSettings,
    pub(crate) keeper: VaultKeeper,
    pub(crate) tokens: LiveEndpointTokens,
    pub(crate) state_file: Arc<StateFile>,
    pub(crate) aws_config: LiveAwsConfig,
    pub(crate) imds_ports: ImdsPorts,
    pub(crate) callback: CallbackRules,
    pub(crate) problems: Problems,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) paths: Arc<Paths>,
    pub(crate) facts: Arc<DaemonFacts>,
}

/// Facts that do not change while the daemon runs.
pub(crate) struct DaemonFacts {
    /// The endpoint's port on 127.0.0.1.
    pub(crate) port: u16,
    /// The variables in the daemon's environment that override where Identity Center is called, with their values,
    /// without passwords.
    pub(crate) overrides: Vec<(String, String)>,
    /// The proxy and the certificates for calls to AWS.
    pub(crate) network: Network,
}
