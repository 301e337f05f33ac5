//! Looks whether a Secret Service can be used, without ever causing a prompt.
//!
//! The store itself cannot tell: for a locked collection it opens a prompt, which on a machine without a
//! visible screen never ends, and for a missing one it says "no entry", on which a new key would be made.

use std::error::Error;
use std::time::Duration;

use zbus::blocking::connection::Builder;
use zbus::blocking::fdo::DBusProxy;
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::OwnedObjectPath;

use super::{KeyStore, KeyStoreError};

const NAME: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const TIMEOUT: Duration = Duration::from_secs(5);

/// Succeeds where there is a default collection and it is unlocked.
pub(super) fn probe() -> Result<(), KeyStoreError> {
    let locked = locked().map_err(|error| match error {
        zbus::Error::MethodError(name, ..) if name.as_str() == "org.freedesktop.DBus.Error.AccessDenied" => {
            KeyStoreError::Refused { store: KeyStore::SecretService, reason: name.to_string() }
        }
        error => absent(error.to_string()),
    })?;
    if locked.ok_or_else(|| absent("no keyring runs".to_owned()))? {
        return Err(KeyStoreError::Locked(KeyStore::SecretService));
    }
    Ok(())
}

/// Whether an error of the store means that it is locked.
pub(super) fn is_locked(error: &(dyn Error + 'static)) -> bool {
    use secret_service::Error as E;
    match error.downcast_ref::<E>() {
        Some(E::Locked) => true,
        Some(E::Zbus(zbus::Error::MethodError(name, ..))) => {
            name.as_str() == "org.freedesktop.Secret.Error.IsLocked"
        }
        _ => false,
    }
}

/// Whether an error of the store means that somebody, or a policy, said no.
pub(super) fn is_refused(error: &(dyn Error + 'static)) -> bool {
    use secret_service::Error as E;
    match error.downcast_ref::<E>() {
        Some(E::Prompt) => true,
        Some(E::Zbus(zbus::Error::MethodError(name, ..))) => {
            name.as_str() == "org.freedesktop.DBus.Error.AccessDenied"
        }
        _ => false,
    }
}

/// Whether the default collection is locked; `None` where there is no service or no such collection.
fn locked() -> zbus::Result<Option<bool>> {
    let bus: Connection = Builder::session()?.method_timeout(TIMEOUT).build()?;
    let names = DBusProxy::new(&bus)?;
    let owned = names.name_has_owner(NAME.try_into()?)?;
    if !owned && !names.list_activatable_names()?.iter().any(|name| name.as_str() == NAME) {
        return Ok(None);
    }
    let service = Proxy::new(&bus, NAME, PATH, "org.freedesktop.Secret.Service")?;
    let collection: OwnedObjectPath = service.call("ReadAlias", &("default",))?;
    if collection.as_str() == "/" {
        return Ok(None);
    }
    Proxy::new(&bus, NAME, collection, "org.freedesktop.Secret.Collection")?.get_property("Locked").map(Some)
}

fn absent(reason: String) -> KeyStoreError {
    KeyStoreError::Absent { store: KeyStore::SecretService, reason }
}
