//! Installs or builds what the tests need on a minimal Debian machine.

mod cargo_tools;
mod debian;
mod previous_daemon;
mod python;
mod rootfs;
mod sdks;
mod stamp;

pub(crate) use cargo_tools::{CargoTool, install_cargo_tools};
pub(crate) use debian::{install_client_packages, install_debian_packages};
pub(crate) use previous_daemon::build_previous_daemon;
pub(crate) use python::make_python_environment;
pub(crate) use rootfs::make_rootfs;
pub(crate) use sdks::{build_rust_sdk_client, install_javascript_sdk};
pub(crate) use stamp::Stamp;
