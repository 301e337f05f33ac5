//! The AWS config file: parsed, resolved to sessions and profiles, edited without losing a byte. Pure.
//!
//! The AWS CLI and the SDKs read the same file differently in places. Where they do, ssod reads it as the
//! SDKs do and reports a [`Problem`] with the line, because the other reader will fail there.
//!
//! The parser is our own: the maintained ones either bring an SDK's runtime along, which the client must not
//! carry, or forget the bytes between the values, which `configure` must keep.

mod document;
mod edit;
mod environment;
mod form;
mod resolve;
mod static_keys;

pub use document::{Broken, Document};
pub use edit::{edit, remove_keys, set_keys};
pub use environment::Environment;
pub use form::{ProfileForm, convert, profile_entries, session_entries, writable_name};
pub use resolve::{Configuration, Problem, resolve};
pub use static_keys::static_keys;

/// The kind and the name of a section.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// `[profile NAME]`; `[default]` is the profile named default.
    Profile(String),
    /// `[sso-session NAME]`.
    SsoSession(String),
    /// `[services NAME]`.
    Services(String),
    /// Anything else, which nobody reads.
    Other(String),
}

impl Section {
    /// The header line for it, without a line ending.
    pub fn header(&self) -> String {
        match self {
            Self::Profile(name) if name == "default" => "[default]".to_owned(),
            Self::Profile(name) => format!("[profile {name}]"),
            Self::SsoSession(name) => format!("[sso-session {name}]"),
            Self::Services(name) => format!("[services {name}]"),
            Self::Other(text) => format!("[{text}]"),
        }
    }
}
