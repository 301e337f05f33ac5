//! Makes sure that the vault has its key before a command begins. On a machine without a key store, only the user may
//! decide to keep the key in a file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ssod_control::{ControlClient, DaemonStatus, RekeyRequest, Rekeyed, VaultStatus};

use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::settings_file::{SettingsEditError, with_key_in_file};
use crate::{local_settings, prompt, terminal, user_file};

/// A key store answers within twenty seconds, or the daemon reports that it does not.
const OPENING_TIMEOUT: Duration = Duration::from_secs(25);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Asks for the decision that only the user can make, for a command that also works while the vault is closed.
pub(crate) fn offer_file(context: &CommandContext, client: &ControlClient) -> CommandResult<()> {
    if wait_while_opening(client)?.vault.needs_choice {
        ensure_open(context, client, true)?;
    }
    Ok(())
}

/// Waits until the vault is open. If this machine has no key store, asks whether to keep the key in a file (unless
/// `may_ask` is false); fails if the vault stays closed.
pub(crate) fn ensure_open(
    context: &CommandContext,
    client: &ControlClient,
    may_ask: bool,
) -> CommandResult<()> {
    let daemon = wait_while_opening(client)?;
    if daemon.vault.is_open() {
        return Ok(());
    }
    let settings = settings_file(context, &daemon);
    if !daemon.vault.needs_choice {
        return Err(closed(&daemon.vault));
    }
    if !may_ask {
        return Err(without_key_store(&daemon.vault, &settings));
    }
    terminal::eprintln(
        daemon.vault.reason.as_deref().unwrap_or("No key store is available on this machine."),
    );
    terminal::eprintln(
        "ssod can keep its key in a file that only you can read. Then each copy of your home folder, for example a backup, has \
         both your sign-ins and the key that opens them.",
    );
    if !prompt::explicit_yes("Keep the key in a file?")? {
        return Err(without_key_store(&daemon.vault, &settings));
    }
    keep_in_file(context, client, &settings)
}

/// Returns the status when the first attempt to open the vault has ended.
fn wait_while_opening(client: &ControlClient) -> CommandResult<DaemonStatus> {
    let deadline = Instant::now() + OPENING_TIMEOUT;
    loop {
        let daemon: DaemonStatus = client.get("/v1/daemon")?;
        if !daemon.vault.is_opening() || Instant::now() > deadline {
            return Ok(daemon);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Writes the setting and lets the daemon create the key at once.
fn keep_in_file(context: &CommandContext, client: &ControlClient, settings: &Path) -> CommandResult<()> {
    let before = local_settings::read(settings, &context.paths.home)?;
    let after = with_key_in_file(&before).map_err(|error| not_changed(settings, &error))?;
    user_file::replace(settings, &after)?;
    let request = RekeyRequest { key_store: Some("file".to_owned()) };
    let created = client.post::<Rekeyed>("/v1/vault/rekey", &request);
    if let Err(error) = created
        // The daemon may have seen the new setting first.
        && !wait_while_opening(client)?.vault.is_open()
    {
        return Err(error.into());
    }
    terminal::eprintln(&format!("The key is in a file now: {} has key = \"file\".", settings.display()));
    Ok(())
}

/// Returns the settings file that the daemon reads.
fn settings_file(context: &CommandContext, daemon: &DaemonStatus) -> PathBuf {
    if daemon.settings_file.is_empty() {
        context.paths.settings.clone()
    } else {
        PathBuf::from(&daemon.settings_file)
    }
}

fn closed(vault: &VaultStatus) -> CommandError {
    let reason = vault.reason.clone().unwrap_or_else(|| "The vault is being opened.".to_owned());
    CommandError::new(reason)
        .hint(vault.hint.clone().unwrap_or_else(|| "Try again in a moment; see: ssod status".to_owned()))
}

fn without_key_store(vault: &VaultStatus, settings: &Path) -> CommandError {
    CommandError::new(vault.reason.clone().unwrap_or_else(|| "No key store is available.".to_owned())).hint(
        format!(
            "To keep the key in a file that only you can read, run: ssod vault move file; or put these lines into {}:\n\
             [vault]\nkey = \"file\"",
            settings.display()
        ),
    )
}

fn not_changed(settings: &Path, error: &SettingsEditError) -> CommandError {
    let path = settings.display();
    match error {
        SettingsEditError::Malformed { line, reason } => {
            CommandError::new(format!("{path} line {line} is malformed: {reason}."))
                .hint(format!("Fix line {line}, then try again"))
        }
        SettingsEditError::UnusualForm => {
            CommandError::new(format!("{path} has a setting \"vault\" that ssod cannot change."))
                .hint("Put key = \"file\" under [vault] yourself, then try again")
        }
    }
}
