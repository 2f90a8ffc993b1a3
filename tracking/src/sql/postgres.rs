//! PostgreSQL: a server that many drivers may share.

mod connect;
mod session;

pub(super) use connect::PostgresServer;
