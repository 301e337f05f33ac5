//! One file for each command, with its arguments, their help, and what it does.

pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod configure;
pub(crate) mod credential_process;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod man;
pub(crate) mod service;
pub(crate) mod status;
pub(crate) mod use_profile;
pub(crate) mod vault;
