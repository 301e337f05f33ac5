//! Checks whether the Secret Service is usable, without ever causing a prompt.
//!
//! The keyring crate cannot do this: for a locked keyring it opens a prompt, which never ends on a machine without a
//! screen; and without a default keyring it reports "no entry", after which a new key would be created.

use std::error::Error;
use std::time::Duration;

use secret_service::Error as SecretServiceError;
use zbus::blocking::connection::Builder;
use zbus::blocking::fdo::DBusProxy;
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::OwnedObjectPath;

use super::error::KeyStoreError;
use super::kind::KeyStore;

pub(super) const NAME: &str = "org.freedesktop.secrets";
pub(super) const PATH: &str = "/org/freedesktop/secrets";
const TIMEOUT: Duration = Duration::from_secs(5);

const ACCESS_DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";
const IS_LOCKED: &str = "org.freedesktop.Secret.Error.IsLocked";
/// The errors that a call to an object that no longer exists can return; gnome-keyring returns the first one.
const NO_SUCH_OBJECT: [&str; 3] = [
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.freedesktop.DBus.Error.UnknownObject",
    "org.freedesktop.Secret.Error.NoSuchObject",
];

/// Succeeds if there is a default keyring and it is unlocked.
pub(super) fn probe() -> Result<(), KeyStoreError> {
    classify(query())
}

/// Translates an error of the Secret Service client that has a state of its own.
pub(super) fn classify_client_error(error: &(dyn Error + 'static)) -> Option<KeyStoreError> {
    let refused = || KeyStoreError::Refused { store: KeyStore::SecretService, reason: error.to_string() };
    match error.downcast_ref::<SecretServiceError>()? {
        SecretServiceError::Locked => Some(KeyStoreError::Locked(KeyStore::SecretService)),
        // The default keyring was removed after the probe.
        SecretServiceError::NoResult => Some(KeyStoreError::NoDefaultKeyring),
        SecretServiceError::Prompt => Some(refused()),
        SecretServiceError::Zbus(zbus::Error::MethodError(name, ..)) => match name.as_str() {
            IS_LOCKED => Some(KeyStoreError::Locked(KeyStore::SecretService)),
            ACCESS_DENIED => Some(refused()),
            _ => None,
        },
        _ => None,
    }
}

/// The default keyring, which the Secret Service API calls a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultKeyring {
    Unlocked,
    Locked,
    /// The service runs without one.
    None,
    /// No Secret Service is running, and the bus cannot start one.
    NoService,
}

fn classify(answer: zbus::Result<DefaultKeyring>) -> Result<(), KeyStoreError> {
    let store = KeyStore::SecretService;
    match answer.map_err(classify_bus_error)? {
        DefaultKeyring::Unlocked => Ok(()),
        DefaultKeyring::Locked => Err(KeyStoreError::Locked(store)),
        DefaultKeyring::None => Err(KeyStoreError::NoDefaultKeyring),
        DefaultKeyring::NoService => {
            Err(KeyStoreError::Absent { store, reason: "no keyring program is running".to_owned() })
        }
    }
}

fn classify_bus_error(error: zbus::Error) -> KeyStoreError {
    let store = KeyStore::SecretService;
    match error {
        zbus::Error::MethodError(name, ..) if name.as_str() == ACCESS_DENIED => {
            KeyStoreError::Refused { store, reason: name.to_string() }
        }
        error => KeyStoreError::Absent { store, reason: error.to_string() },
    }
}

/// Connects to the session bus and asks the Secret Service. Each call has a time limit.
pub(super) fn ask_by_bus<T>(ask: impl FnOnce(&Connection) -> zbus::Result<T>) -> Result<T, KeyStoreError> {
    let connect = || Builder::session()?.method_timeout(TIMEOUT).build();
    connect().and_then(|bus| ask(&bus)).map_err(classify_bus_error)
}

/// Returns the default keyring; `None` if the service has none.
pub(super) fn default_keyring(bus: &Connection) -> zbus::Result<Option<OwnedObjectPath>> {
    let service = Proxy::new(bus, NAME, PATH, "org.freedesktop.Secret.Service")?;
    let keyring: OwnedObjectPath = service.call("ReadAlias", &("default",))?;
    Ok((keyring.as_str() != "/").then_some(keyring))
}

fn query() -> zbus::Result<DefaultKeyring> {
    let bus: Connection = Builder::session()?.method_timeout(TIMEOUT).build()?;
    let names = DBusProxy::new(&bus)?;
    let owned = names.name_has_owner(NAME.try_into()?)?;
    if !owned && !names.list_activatable_names()?.iter().any(|name| name.as_str() == NAME) {
        return Ok(DefaultKeyring::NoService);
    }
    let Some(collection) = default_keyring(&bus)? else { return Ok(DefaultKeyring::None) };
    let collection = Proxy::new(&bus, NAME, collection, "org.freedesktop.Secret.Collection")?;
    match collection.get_property("Locked") {
        Ok(true) => Ok(DefaultKeyring::Locked),
        Ok(false) => Ok(DefaultKeyring::Unlocked),
        // The keyring was removed after the first call.
        Err(error) if is_no_such_object(&error) => Ok(DefaultKeyring::None),
        Err(error) => Err(error),
    }
}

fn is_no_such_object(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::MethodError(name, ..) => NO_SUCH_OBJECT.contains(&name.as_str()),
        zbus::Error::FDO(error) => {
            matches!(**error, zbus::fdo::Error::UnknownMethod(_) | zbus::fdo::Error::UnknownObject(_))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use zbus::message::Message;
    use zbus::names::OwnedErrorName;

    use super::*;

    const STORE: KeyStore = KeyStore::SecretService;

    fn method_error(name: &str) -> zbus::Error {
        let name = OwnedErrorName::try_from(name).unwrap();
        let message = Message::method_call("/", "Any").unwrap().build(&()).unwrap();
        zbus::Error::MethodError(name, None, message)
    }

    #[test]
    fn each_state_of_the_default_keyring_has_its_own_error() {
        assert_eq!(classify(Ok(DefaultKeyring::Unlocked)), Ok(()));
        assert_eq!(classify(Ok(DefaultKeyring::Locked)), Err(KeyStoreError::Locked(STORE)));
        assert_eq!(classify(Ok(DefaultKeyring::None)), Err(KeyStoreError::NoDefaultKeyring));
        let reason = "no keyring program is running".to_owned();
        assert_eq!(
            classify(Ok(DefaultKeyring::NoService)),
            Err(KeyStoreError::Absent { store: STORE, reason })
        );
    }

    #[test]
    fn a_bus_that_denies_access_is_a_refusal_and_one_that_does_not_work_is_absent() {
        let denied = classify(Err(method_error(ACCESS_DENIED)));
        assert!(matches!(denied, Err(KeyStoreError::Refused { .. })), "{denied:?}");
        let unsupported = classify(Err(zbus::Error::Unsupported));
        assert!(matches!(unsupported, Err(KeyStoreError::Absent { .. })), "{unsupported:?}");
    }

    #[test]
    fn a_keyring_that_is_removed_between_two_calls_is_no_default_keyring() {
        for name in NO_SUCH_OBJECT {
            assert!(is_no_such_object(&method_error(name)), "{name}");
        }
        let unknown = zbus::fdo::Error::UnknownMethod("gone".to_owned());
        assert!(is_no_such_object(&zbus::Error::FDO(Box::new(unknown))));
        assert!(!is_no_such_object(&method_error(ACCESS_DENIED)));
        let error = classify_client_error(&SecretServiceError::NoResult);
        assert_eq!(error, Some(KeyStoreError::NoDefaultKeyring));
    }

    #[test]
    fn errors_of_the_client_that_have_a_state_are_recognized() {
        for locked in [SecretServiceError::Locked, SecretServiceError::Zbus(method_error(IS_LOCKED))] {
            assert_eq!(classify_client_error(&locked), Some(KeyStoreError::Locked(STORE)), "{locked:?}");
        }
        for refused in [SecretServiceError::Zbus(method_error(ACCESS_DENIED)), SecretServiceError::Prompt] {
            let error = classify_client_error(&refused);
            assert!(matches!(error, Some(KeyStoreError::Refused { .. })), "{refused:?}: {error:?}");
        }
        assert_eq!(classify_client_error(&SecretServiceError::Unavailable), None);
    }
}
