//! The mistakes in a file that can be parsed.

use std::fmt;

use ssod_model::InvalidName;

/// A mistake at a line. The rest of the file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The line, counted from 1.
    pub line: usize,
    /// The mistake.
    pub kind: ProblemKind,
}

/// A mistake that the AWS CLI, an SDK or ssod cannot accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The file has both `[default]` and `[profile default]`.
    TwoDefaults,
    /// A section that already exists.
    DuplicateSection {
        /// Its header.
        header: String,
    },
    /// A key that the section already has.
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A comment after a value on the same line.
    InlineComment {
        /// The key of the value.
        key: String,
        /// The comment, with its `#` or `;`.
        comment: String,
    },
    /// A value in quotes.
    QuotedValue {
        /// The key of the value.
        key: String,
    },
    /// A session without a start URL or a region.
    IncompleteSession {
        /// The session's name.
        session: String,
    },
    /// A name, account or URL that AWS does not allow.
    InvalidName(InvalidName),
    /// A profile with only one of account and role.
    IncompleteProfile {
        /// The profile's name.
        profile: String,
        /// The key of the account.
        account_key: &'static str,
        /// The key of the role.
        role_key: &'static str,
    },
    /// A profile without a session.
    NoSession {
        /// The profile's name.
        profile: String,
        /// The key that would name its session.
        session_key: &'static str,
    },
    /// A profile that names a session and has a start URL of its own.
    TwoSessions {
        /// The profile's name.
        profile: String,
        /// The key that names its session.
        session_key: &'static str,
    },
    /// A profile that names a session that is absent or incomplete.
    UnknownSession {
        /// The profile's name.
        profile: String,
        /// The session that it names.
        session: String,
    },
    /// A profile that has a start URL of its own, but no region for it.
    NoSsoRegion {
        /// The profile's name.
        profile: String,
    },
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names come from the file, and a control character could change the user's terminal.
        let visible = |character: char| if character.is_control() { '?' } else { character };
        let message: String = self.kind.to_string().chars().map(visible).collect();
        write!(formatter, "line {}: {message}", self.line)
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoDefaults => formatter.write_str(
                "[default] and [profile default] are both in the file; the AWS CLI uses only the later one. Keep one",
            ),
            Self::DuplicateSection { header } => {
                write!(formatter, "a second {header}: the AWS CLI refuses the whole file. Merge the two")
            }
            Self::DuplicateKey { key } => {
                write!(formatter, "a second {key} in this section: the AWS CLI refuses the whole file")
            }
            Self::InlineComment { key, comment } => write!(
                formatter,
                "the AWS CLI reads {comment:?} as part of {key}'s value; put the comment on a line of its own"
            ),
            Self::QuotedValue { key } => write!(
                formatter,
                "the AWS tools read the quotes around {key}'s value as part of it; remove them"
            ),
            Self::IncompleteSession { session } => {
                write!(formatter, "[sso-session {session}] needs both sso_start_url and sso_region")
            }
            Self::InvalidName(error) => error.fmt(formatter),
            Self::IncompleteProfile { profile, account_key, role_key } => {
                write!(formatter, "profile {profile} needs both {account_key} and {role_key}")
            }
            Self::NoSession { profile, session_key } => {
                write!(formatter, "profile {profile} names no session: add {session_key}")
            }
            Self::TwoSessions { profile, session_key } => write!(
                formatter,
                "profile {profile} has both {session_key} and sso_start_url, which some SDKs refuse; remove \
                 sso_start_url and sso_region"
            ),
            Self::UnknownSession { profile, session } => {
                write!(formatter, "profile {profile}: there is no complete [sso-session {session}] in the file")
            }
            Self::NoSsoRegion { profile } => {
                write!(formatter, "profile {profile} needs sso_region beside sso_start_url")
            }
        }
    }
}
