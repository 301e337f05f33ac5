//! Generates load: single requests, and many by wrk.

mod http;
mod wrk;

pub(super) use self::http::{Request, exchange_new};
pub(super) use self::wrk::{Connections, wrk};
