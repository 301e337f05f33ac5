//! The two ways to sign in: a device code that the user approves on any machine, and the browser with PKCE.

mod browser;
mod callback;
mod device_code;
mod error;
mod page;
mod pkce;

pub use browser::sign_in_with_browser;
pub use callback::CallbackRules;
pub use device_code::sign_in_with_device_code;
pub use error::FlowError;
