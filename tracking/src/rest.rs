//! [`RestStore`]: another tracking server's records, over MLflow's REST protocol, ours or the real one.
//!
//! Requests go out as they are: the server checks them. Calls are repeated while the server cannot be reached, within
//! [`Bounds`]. That is harmless, because every call is idempotent or made so: what the protocol would do twice is
//! stamped with a tag, [`TAG_REQUEST_ID`], and looked for before it is asked for again (`stamp`). One window stays
//! open: a server that is still busy with the first request when the second one looks. It is as narrow as the server
//! is quick, since the first look comes after a lost answer and a pause.
//!
//! What the protocol cannot say is left out: [`owner`](crate::CreateRun::owner) and leases, because the client answers
//! for its runs itself.
//!
//! - `http`: one call, and how often it is repeated;
//! - `wire`, `registry_wire`: MLflow's JSON;
//! - `store`, `registry`: the two traits;
//! - `artifacts`: [`RestArtifacts`], the files of a run through the server;
//! - [`spool`]: [`SpooledStore`], which writes to a folder first, so that a server that is down loses nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use reqwest::Url;

use crate::store::Result;

mod artifacts;
mod http;
mod registry;
mod registry_wire;
pub mod spool;
mod stamp;
mod store;
mod summaries;
mod wire;

pub use artifacts::RestArtifacts;
pub use spool::{Pending, SpooledStore, deliver_pending};
pub use stamp::TAG_REQUEST_ID;

use http::Http;

/// Records kept by a server that speaks MLflow's REST protocol.
#[derive(Debug, Clone)]
pub struct RestStore {
    http: Arc<Http>,
}

/// What the server knows us by. Never shown in full.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// The server asks for none.
    #[default]
    None,
    /// There are some, but not for this server; a refusal repeats the reason.
    Withheld(String),
    /// A token.
    Bearer(String),
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::Withheld(reason) => write!(f, "Withheld({reason:?})"),
            Credentials::Bearer(_) => f.write_str("Bearer(…)"),
            Credentials::Basic { user, .. } => write!(f, "Basic({user:?}, …)"),
        }
    }
}

/// How long a call may take, and how long it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For reaching the server.
    pub connect: Duration,
    /// For one attempt of a call, answer included.
    pub call: Duration,
    /// For one attempt to send or fetch a file.
    pub transfer: Duration,
    /// From the first attempt of a call until no other is begun. An attempt that was begun may outlast it by `call`.
    pub retry_for: Duration,
    /// Before the second attempt; then twice as long each time.
    pub first_pause: Duration,
    /// The longest pause between attempts.
    pub longest_pause: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            connect: Duration::from_secs(5),
            call: Duration::from_secs(30),
            transfer: Duration::from_secs(3600),
            retry_for: Duration::from_secs(60),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
        }
    }
}

impl RestStore {
    /// Returns the store of the server at an address such as `https://mlflow.example.org/prefix`. Nothing is sent yet.
    pub fn connect(uri: Url, credentials: Credentials) -> Result<Self> {
        RestStore::connect_within(uri, credentials, Bounds::default())
    }

    /// Does the same with other bounds.
    pub fn connect_within(uri: Url, credentials: Credentials, bounds: Bounds) -> Result<Self> {
        RestStore::connect_trusting(uri, credentials, bounds, None)
    }

    /// Does the same; the server's certificate must be from the authority whose certificate is given (PEM), and not from
    /// one of the public ones.
    pub fn connect_trusting(
        uri: Url,
        credentials: Credentials,
        bounds: Bounds,
        ca_pem: Option<&str>,
    ) -> Result<Self> {
        Ok(RestStore {
            http: Arc::new(Http::new(uri, credentials, bounds, ca_pem)?),
        })
    }

    /// Returns the server's address, without credentials.
    pub fn uri(&self) -> &Url {
        self.http.base()
    }

    /// Returns what keeps the files of the server's runs.
    pub fn artifacts(&self) -> RestArtifacts {
        RestArtifacts::new(Arc::clone(&self.http))
    }
}
