//! The mistakes in a file that can be parsed.

use std::fmt;

use ssod_model::InvalidName;
use thiserror::Error;

use crate::Expected;

/// A mistake at a line. The rest of the file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The line, counted from 1.
    pub line: usize,
    /// The mistake.
    pub kind: ProblemKind,
}

/// A mistake that the AWS CLI, an SDK or ssod cannot accept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProblemKind {
    /// A byte-order mark at the start of the file.
    #[error(
        "the file begins with a byte-order mark, so the AWS CLI refuses the whole file. Save it as UTF-8 \
                 without a BOM, or type: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE"
    )]
    ByteOrderMark,
    /// A line that no AWS tool can read.
    #[error("expected {0}. Most AWS tools refuse the whole file because of this line")]
    Unreadable(Expected),
    /// A comment after a header, with a `]` in it.
    #[error(
        "the AWS CLI reads {comment:?} as part of the section's name; put the comment on a line of its own"
    )]
    HeaderComment {
        /// The comment, with its sign.
        comment: String,
    },
    /// The same section with two spellings, such as `[default]` and `[profile default]`.
    #[error("[{first}] and [{second}] are both in the file; the AWS CLI uses only the later one. Keep one")]
    TwoSpellings {
        /// The text between the brackets of the earlier header.
        first: String,
        /// The text between the brackets of the later one.
        second: String,
    },
    /// A section that already exists.
    #[error("a second {header}: the AWS CLI refuses the whole file. Merge the two")]
    DuplicateSection {
        /// Its header.
        header: String,
    },
    /// A key that the section already has.
    #[error("a second {key} in this section: the AWS CLI refuses the whole file")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A comment after a value on the same line.
    #[error("the AWS CLI reads {comment:?} as part of {key}'s value; put the comment on a line of its own")]
    InlineComment {
        /// The key of the value.
        key: String,
        /// The comment, with its `#` or `;`.
        comment: String,
    },
    /// A key that ends with a colon instead of an equals sign.
    #[error("only the AWS CLI and Python's SDK read a colon; write {key} = VALUE")]
    Colon {
        /// The key.
        key: String,
    },
    /// A key that is indented, although it is not nested.
    #[error(
        "{key} is indented, and other SDKs than Python's refuse the whole file because of that; remove the \
                 spaces before this and other keys"
    )]
    IndentedKey {
        /// The key.
        key: String,
    },
    /// A line that is indented deeper than the setting above, and so is part of its value.
    #[error("this line is indented deeper than {key}, so it is part of {key}'s value; indent both alike")]
    Continuation {
        /// The key of the setting.
        key: String,
    },
    /// A value in quotes.
    #[error("the AWS tools read the quotes around {key}'s value as part of it; remove them")]
    QuotedValue {
        /// The key of the value.
        key: String,
    },
    /// A session without a start URL or a region.
    #[error("[sso-session {session}] needs both sso_start_url and sso_region")]
    IncompleteSession {
        /// The session's name.
        session: String,
    },
    /// A name, account or URL that AWS does not allow.
    #[error(transparent)]
    InvalidName(InvalidName),
    /// A profile with only one of account and role.
    #[error("profile {profile} needs both {account_key} and {role_key}")]
    IncompleteProfile {
        /// The profile's name.
        profile: String,
        /// The key of the account.
        account_key: &'static str,
        /// The key of the role.
        role_key: &'static str,
    },
    /// A profile without a session.
    #[error("profile {profile} names no session: add {session_key}")]
    NoSession {
        /// The profile's name.
        profile: String,
        /// The key that would name its session.
        session_key: &'static str,
    },
    /// A profile that names a session and has a start URL of its own.
    #[error(
        "profile {profile} has both {session_key} and sso_start_url, which some SDKs refuse; remove \
                 sso_start_url and sso_region"
    )]
    TwoSessions {
        /// The profile's name.
        profile: String,
        /// The key that names its session.
        session_key: &'static str,
    },
    /// A profile that names a session that is absent or incomplete.
    #[error("profile {profile}: there is no complete [sso-session {session}] in the file")]
    UnknownSession {
        /// The profile's name.
        profile: String,
        /// The session that it names.
        session: String,
    },
    /// A profile whose start URL another profile has with another region.
    #[error(
        "profile {profile}: another profile has the same start URL with sso_region {region}, which ssod uses; \
                 correct one of them"
    )]
    TwoRegions {
        /// The profile's name.
        profile: String,
        /// The region of the other profile.
        region: String,
    },
    /// A profile that has a start URL of its own, but no region for it.
    #[error("profile {profile} needs sso_region beside sso_start_url")]
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
