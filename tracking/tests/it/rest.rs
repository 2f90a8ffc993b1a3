//! The client of another tracking server: what it says, how it bears a bad network, and the spool before it.

mod artifacts;
mod ours;
mod retries;
mod server;
mod spool;
mod spool_trouble;
