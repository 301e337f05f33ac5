//! One file for each route.

pub(super) mod audit;
pub(super) mod credentials;
pub(super) mod doctor;
pub(super) mod env;
pub(super) mod list;
pub(super) mod lock;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod metrics;
pub(super) mod reload;
pub(super) mod status;
pub(super) mod use_profile;
pub(super) mod vault;
