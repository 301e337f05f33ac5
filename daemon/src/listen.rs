//! The sockets: bound to loopback or taken over from a service manager, with connection limits, and with a check of
//! each caller's uid before any byte is read.

pub(crate) mod admit;
pub(crate) mod bind;
pub(crate) mod imds_ports;
pub(crate) mod inherited;
pub(crate) mod limits;
