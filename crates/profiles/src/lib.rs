//! Parses the AWS config file, resolves it to sessions and profiles, and edits it without losing a byte. It does no
//! I/O.
//!
//! In some cases the AWS CLI and the SDKs read the same file differently. ssod then reads it as the SDKs do and
//! reports a [`ConfigProblem`] with the line, because the AWS CLI fails there.
//!
//! ssod has its own parser, because each maintained one either depends on an SDK's runtime, which the client must not
//! include, or drops the bytes between the values, which `configure` must preserve.

mod blocks;
mod document;
mod edit;
mod endpoint_variables;
mod form;
mod precedence;
mod problem;
mod reading;
mod resolve;
mod section;

pub use document::{Document, Expected};
pub use edit::{EditError, SectionEdit, edit, edit_sections, remove_keys, set_keys};
pub use endpoint_variables::EndpointVariables;
pub use form::{
    Conversion, ProfileForm, convert_to_ssod_form, is_writable_name, plan_conversions, profile_entries,
    session_entries,
};
pub use precedence::{CredentialSetting, SharedFile, SharedFiles};
pub use problem::{ConfigProblem, ProblemKind};
pub use reading::{Refusal, RefusalReason};
pub use resolve::{Configuration, resolve};
pub use section::Section;
