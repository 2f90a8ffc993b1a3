//! The distributed engine (datafusion-distributed), embedded: the driver's session ([`Engine`]), the worker's
//! service ([`worker_service`]), the channels between processes ([`Channels`]) and the rules that place work.

mod channel;
mod connection;
mod named_worker;
mod routing;
mod session;
mod worker;

pub use channel::{Channels, MAX_ENGINE_MESSAGE_BYTES, Patience, Secure};
pub use connection::WorkerConnection;
pub use session::Engine;
pub(crate) use session::local_session;
pub use worker::worker_service;
