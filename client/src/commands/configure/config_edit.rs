//! Edits the AWS config file: adds a session, saves.

use std::path::Path;

use ssod_model::SsoSession;
use ssod_profiles::{Section, session_entries, set_keys};

use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::{aws_config, daemon_process, user_file};

/// Returns the text with the session's section added or changed.
pub(super) fn with_session(path: &Path, text: &str, session: &SsoSession) -> CommandResult<String> {
    let section = Section::SsoSession(session.name.to_string());
    set_keys(text, &section, &session_entries(session)).map_err(|error| aws_config::not_changed(path, &error))
}

/// Writes the file if its text changed, and asks a running daemon to reload it at once.
pub(super) fn save(context: &CommandContext, before: &str, after: &str) -> CommandResult<()> {
    if before != after {
        user_file::replace(&context.paths.aws_config, after)?;
    }
    if let Some(client) = daemon_process::find_running(&context.paths)? {
        client.post::<()>("/v1/reload", &())?;
    }
    Ok(())
}

/// Returns the absolute path of this program. botocore needs an absolute path, because it expands neither `~` nor
/// variables.
pub(super) fn own_program() -> CommandResult<String> {
    let program = std::env::current_exe()?;
    let text = program.to_str().filter(|text| !text.contains(['\n', '#', ';']));
    text.map(str::to_owned).ok_or_else(|| {
        CommandError::new(format!(
            "The path of this program cannot be written in the AWS config file: {}.",
            program.display()
        ))
        .hint("Install ssod in another folder")
    })
}
