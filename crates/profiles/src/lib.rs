//! The AWS config file: parsed, resolved to sessions and profiles, edited without losing a byte. Pure.
//!
//! In some cases the AWS CLI and the SDKs read the same file differently. ssod then reads it as the SDKs do and
//! reports a [`Problem`] with the line, because the AWS CLI fails there.
//!
//! The parser is our own: the maintained ones either bring an SDK's runtime along, which the client must not
//! carry, or drop the bytes between the values, which `configure` must preserve.

mod blocks;
mod document;
mod edit;
mod environment;
mod form;
mod precedence;
mod problem;
mod reading;
mod resolve;
mod section;

pub use document::{Document, Expected};
pub use edit::{EditError, SectionEdit, edit, edit_sections, remove_keys, set_keys};
pub use environment::Environment;
pub use form::{
    Conversion, ProfileForm, convert, plan_conversions, profile_entries, session_entries, writable_name,
};
pub use precedence::{CredentialSetting, SharedFile, SharedFiles};
pub use problem::{Problem, ProblemKind};
pub use reading::{Refusal, RefusalReason};
pub use resolve::{Configuration, resolve};
pub use section::Section;
