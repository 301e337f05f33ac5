//! Locks the keyring that has the vault's key, and asks for its password, so that only a user who knows the password can
//! unlock ssod.
//!
//! The keyring program shows the prompt itself, so ssod never has the password.

use std::sync::mpsc;
use std::time::Duration;

use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::error::KeyStoreError;
use super::kind::KeyStore;
use super::secret_service_probe::{self, NAME, PATH, ask_by_bus};

const STORE: KeyStore = KeyStore::SecretService;
const SERVICE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";
/// The path that the Secret Service returns if it needs no prompt.
const NO_PROMPT: &str = "/";

/// Locks the default keyring, which has the key. Other programs that use the keyring need its password again, too.
/// Blocks for a limited time.
pub fn lock_keyring() -> Result<(), KeyStoreError> {
    ask_by_bus(lock)?
}

/// Succeeds if the keyring is unlocked, or when the user has entered its password at the keyring's own prompt. Fails if
/// the user dismisses the prompt, if it cannot be shown, or after the time limit. Blocks meanwhile.
pub fn require_keyring_password(time_limit: Duration) -> Result<(), KeyStoreError> {
    ask_by_bus(|bus| unlock(bus, time_limit))?
}

fn lock(bus: &Connection) -> zbus::Result<Result<(), KeyStoreError>> {
    let Some(keyring) = secret_service_probe::default_keyring(bus)? else {
        return Ok(Err(KeyStoreError::NoDefaultKeyring));
    };
    let service = Proxy::new(bus, NAME, PATH, SERVICE)?;
    let _: (Vec<OwnedObjectPath>, OwnedObjectPath) = service.call("Lock", &(vec![&keyring],))?;
    if is_locked(bus, &keyring)? {
        return Ok(Ok(()));
    }
    let reason = "it does not lock its keyring".to_owned();
    Ok(Err(KeyStoreError::Refused { store: STORE, reason }))
}

fn unlock(bus: &Connection, time_limit: Duration) -> zbus::Result<Result<(), KeyStoreError>> {
    let Some(keyring) = secret_service_probe::default_keyring(bus)? else {
        return Ok(Err(KeyStoreError::NoDefaultKeyring));
    };
    if !is_locked(bus, &keyring)? {
        return Ok(Ok(()));
    }
    let service = Proxy::new(bus, NAME, PATH, SERVICE)?;
    let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = service.call("Unlock", &(vec![&keyring],))?;
    let answer = if prompt.as_str() == NO_PROMPT { Ok(()) } else { show(bus, prompt, time_limit)? };
    Ok(match answer {
        Ok(()) if is_locked(bus, &keyring)? => Err(not_entered("the keyring is still locked")),
        answer => answer,
    })
}

/// Shows the prompt and waits for its end.
fn show(
    bus: &Connection,
    prompt: OwnedObjectPath,
    time_limit: Duration,
) -> zbus::Result<Result<(), KeyStoreError>> {
    let prompt = Proxy::new(bus, NAME, prompt, PROMPT)?;
    let mut completed = prompt.receive_signal("Completed")?;
    let () = prompt.call("Prompt", &("",))?;
    let (sender, receiver) = mpsc::channel();
    // The dismissal below ends this thread.
    std::thread::spawn(move || sender.send(completed.next()));
    match receiver.recv_timeout(time_limit) {
        Ok(Some(message)) => {
            let (is_dismissed, _): (bool, OwnedValue) = message.body().deserialize()?;
            let reason = "its prompt was dismissed, or there is no screen to show it on";
            Ok(if is_dismissed { Err(not_entered(reason)) } else { Ok(()) })
        }
        Ok(None) => Ok(Err(not_entered("the keyring program ended"))),
        Err(_) => {
            // The prompt must not stay: a password that is entered later would unlock the keyring, but not ssod.
            let _: zbus::Result<()> = prompt.call("Dismiss", &());
            Ok(Err(not_entered(&format!("the prompt had no answer for {} seconds", time_limit.as_secs()))))
        }
    }
}

fn is_locked(bus: &Connection, keyring: &OwnedObjectPath) -> zbus::Result<bool> {
    Proxy::new(bus, NAME, keyring, COLLECTION)?.get_property("Locked")
}

fn not_entered(reason: &str) -> KeyStoreError {
    KeyStoreError::PasswordNotEntered { reason: reason.to_owned() }
}
