//! The kind and the name of a section.

/// The kind and the name of a section.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// `[profile NAME]`; `[default]` is the profile named default.
    Profile(String),
    /// `[sso-session NAME]`.
    SsoSession(String),
    /// `[services NAME]`.
    Services(String),
    /// Any other section, by the text between its brackets. No AWS tool reads it in the config file.
    Other(String),
}

impl Section {
    /// Returns the header line for it, without a line ending.
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
