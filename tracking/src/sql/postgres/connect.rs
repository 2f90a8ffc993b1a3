//! Connecting to the server: bounds on every wait, and a name by which its administrator knows us.

use std::fmt;
use std::time::Duration;

use postgres::{Config, NoTls};

use super::session::PostgresSession;
use crate::error::TrackingError;
use crate::sql::BUSY_WAIT;
use crate::sql::fault::Sql;
use crate::sql::pool::Connect;
use crate::sql::session::Session;
use crate::store::Result;

/// How long connecting may take.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long one statement may take.
const STATEMENT_WAIT: Duration = Duration::from_secs(30);
/// What the server's administrator sees.
const APPLICATION: &str = "rookery";

/// A database on a server.
pub(in crate::sql) struct PostgresServer {
    config: Config,
}

impl PostgresServer {
    /// Reads a URL, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub(in crate::sql) fn parse(url: &str) -> Result<Self> {
        let mut config: Config = url.parse().map_err(|error: postgres::Error| {
            // The URL holds a password: what is wrong with it is said without it.
            let cause =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            TrackingError::invalid(
                "database URL",
                format!("{cause}; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE"),
            )
        })?;
        config
            .application_name(APPLICATION)
            .connect_timeout(CONNECT_WAIT)
            .tcp_user_timeout(STATEMENT_WAIT);
        Ok(PostgresServer { config })
    }

    fn open(&self) -> Sql<Box<dyn Session>> {
        let session = PostgresSession::new(self.config.connect(NoTls)?);
        session.batch(&format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET client_min_messages = warning; \
             SET default_transaction_isolation = 'read committed'",
            STATEMENT_WAIT.as_millis(),
            BUSY_WAIT.as_millis(),
        ))?;
        Ok(Box::new(session))
    }
}

impl fmt::Debug for PostgresServer {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresServer").field(&self.name()).finish()
    }
}

impl Connect for PostgresServer {
    fn writer(&self) -> Sql<Box<dyn Session>> {
        self.open()
    }

    fn reader(&self) -> Sql<Box<dyn Session>> {
        self.open()
    }

    fn prepare(&self, _session: &dyn Session) -> Sql<()> {
        Ok(())
    }

    fn name(&self) -> String {
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                postgres::config::Host::Tcp(name) => name.clone(),
                postgres::config::Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        format!(
            "{} on {}",
            self.config.get_dbname().unwrap_or("the user's database"),
            hosts.join(", ")
        )
    }
}
