//! [`Channels`]: one HTTP/2 connection to each worker, shared by the engine and the trainer service. Never the
//! engine's default channel, which has no time-out at all and hangs on a silent peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::Result;
use datafusion_distributed::{ChannelResolver, WorkerChannel, grpc};
use http::HeaderValue;
use tonic::transport::{Channel, Endpoint};
use url::Url;

use super::connection::WorkerConnection;
use super::named_worker::NamedWorker;
use crate::error::unreachable_worker;

/// Largest message the engine's service accepts, in bytes.
pub const MAX_ENGINE_MESSAGE_BYTES: usize = 256 << 20;

/// How long a peer may be silent. A connection that broke without a word is found after `keepalive_interval`
/// plus `keepalive_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long a connection may take to open.
    pub connect: Duration,
    /// How often a connection is probed.
    pub keepalive_interval: Duration,
    /// How long the answer to a probe may take.
    pub keepalive_timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            keepalive_interval: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(5),
        }
    }
}

/// What puts connections on TLS: it takes an endpoint and gives it back with whom to believe, and who calls. Whoever knows
/// certificates makes it; nothing here does.
#[derive(Clone)]
pub struct Secure(
    Arc<dyn Fn(Endpoint) -> std::result::Result<Endpoint, tonic::transport::Error> + Send + Sync>,
);

impl Secure {
    /// Connections as this function says.
    pub fn by(
        secure: impl Fn(Endpoint) -> std::result::Result<Endpoint, tonic::transport::Error>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(secure))
    }
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secure(…)")
    }
}

/// Connections to workers by URL; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    open: Arc<Mutex<HashMap<Url, Channel>>>,
    patience: Patience,
    /// Shown to every worker.
    authorization: Option<HeaderValue>,
    /// `None`: in the clear.
    secure: Option<Secure>,
}

impl Channels {
    /// Connections that bear with silent peers for as long as `patience` says, and show each the same `authorization`
    /// header; a text that can't be one is not shown. With `secure` they are on TLS.
    pub fn new(patience: Patience, authorization: Option<&str>, secure: Option<Secure>) -> Self {
        let authorization = authorization.and_then(|text| {
            let mut value = HeaderValue::from_str(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self {
            open: Arc::default(),
            patience,
            authorization,
            secure,
        }
    }

    /// The connection to `url`; it opens when it is first used, and again after it broke.
    pub fn get(&self, url: &Url) -> std::result::Result<WorkerConnection, tonic::transport::Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = match open.get(url) {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = endpoint(url, self.patience)?;
                let endpoint = match &self.secure {
                    Some(Secure(secure)) => secure(endpoint)?,
                    None => endpoint,
                };
                let channel = endpoint.connect_lazy();
                open.insert(url.clone(), channel.clone());
                channel
            }
        };
        Ok(WorkerConnection::new(channel, self.authorization.clone()))
    }

    /// Forgets the connection to a worker that is gone.
    pub fn forget(&self, url: &Url) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(url);
    }
}

/// An endpoint whose every wait is bounded.
fn endpoint(url: &Url, patience: Patience) -> std::result::Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(url.to_string())?
        .connect_timeout(patience.connect)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(patience.keepalive_interval)
        .keep_alive_timeout(patience.keepalive_timeout)
        .keep_alive_while_idle(true))
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let channel = self.get(url).map_err(|e| unreachable_worker(url, &e))?;
        let worker = grpc::create_worker_client(grpc::BoxCloneSyncChannel::new(channel));
        Ok(Box::new(NamedWorker::new(url.clone(), worker)))
    }
}
