//! The broker with the implementations that the daemon uses.

use ssod_broker::Broker;
use ssod_identity_center::IdentityCenter;
use ssod_vault::Vault;

/// The broker that calls AWS and stores in the vault.
pub(crate) type LiveBroker = Broker<IdentityCenter, Vault>;
