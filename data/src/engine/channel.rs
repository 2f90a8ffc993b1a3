//! [`Channels`]: one HTTP/2 connection to each worker, shared by the engine and the trainer service. Never the
//! engine's default channel, which has no time-out at all and hangs on a silent peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion_distributed::{ChannelResolver, WorkerChannel, grpc};
use tonic::transport::{Channel, Endpoint};
use url::Url;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a connection is probed, and how long the answer may take: a silent peer is found in their sum.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest message the engine's service accepts, in bytes.
pub const MAX_ENGINE_MESSAGE_BYTES: usize = 256 << 20;

/// Connections to workers by URL; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    open: Arc<Mutex<HashMap<Url, Channel>>>,
}

impl Channels {
    /// The connection to `url`; it opens when it is first used, and again after it broke.
    pub fn get(&self, url: &Url) -> std::result::Result<Channel, tonic::transport::Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        let channel = endpoint(url)?.connect_lazy();
        open.insert(url.clone(), channel.clone());
        Ok(channel)
    }

    /// Forgets the connection to a worker that is gone.
    pub fn forget(&self, url: &Url) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
    }
}

/// An endpoint whose every wait is bounded.
pub(crate) fn endpoint(url: &Url) -> std::result::Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(url.to_string())?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let channel = self.get(url).map_err(|e| exec_datafusion_err!("{url}: transport error: {e}"))?;
        Ok(grpc::create_worker_client(grpc::BoxCloneSyncChannel::new(channel)))
    }
}
