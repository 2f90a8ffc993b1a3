//! [`Port`]: one TCP port, in the clear or on TLS. Each handshake is a task of its own, so that a client that says nothing
//! holds up nobody.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::{Role, names, plain};

/// How long a client may take to say who it is.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How many may be about to; if there are more, the one that has been at it for longest is sent away.
const MOST_HANDSHAKES: usize = 256;

/// A connection, after its handshake.
type Connection = Either<TcpStream, TlsStream<TcpStream>>;

/// A port that serves requests.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    tls: Option<Tls>,
}

/// Who is at the other end of a connection; with each request, as axum's `ConnectInfo`.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Where from.
    pub address: SocketAddr,
    /// The address of ours that it reached.
    pub reached: Option<IpAddr>,
    /// Who it is, if it has shown a certificate.
    pub member: Option<Arc<Member>>,
}

/// What a verified certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What its owner is.
    pub role: Role,
    /// DNS names and IP addresses by which it may be reached.
    pub names: Vec<String>,
}

struct Tls {
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(Connection, Caller)>>,
    /// The same, the oldest first.
    begun: VecDeque<AbortHandle>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("handshakes", &self.handshakes.len())
            .finish_non_exhaustive()
    }
}

impl Port {
    /// Serves on TLS as `config` says, in the clear without one.
    pub fn new(listener: TcpListener, config: Option<Arc<ServerConfig>>) -> Self {
        let tls = config.map(|config| Tls {
            acceptor: config.into(),
            handshakes: JoinSet::new(),
            begun: VecDeque::new(),
        });
        Self { listener, tls }
    }

    /// Whether it is served on TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl Tls {
    fn begin(&mut self, connection: TcpStream, address: SocketAddr) {
        self.begun.retain(|handshake| !handshake.is_finished());
        if self.begun.len() >= MOST_HANDSHAKES
            && let Some(oldest) = self.begun.pop_front()
        {
            oldest.abort();
        }
        let acceptor = self.acceptor.clone();
        let handshake = self.handshakes.spawn(async move {
            let shaken = tokio::time::timeout(HANDSHAKE_WITHIN, shake_hands(acceptor, connection, address));
            match shaken.await {
                Ok(Ok(shaken)) => shaken,
                Ok(Err(error)) => {
                    tracing::info!(%address, %error, "no TLS connection came about");
                    None
                }
                Err(_) => {
                    tracing::debug!(%address, "the client was silent for too long");
                    None
                }
            }
        });
        self.begun.push_back(handshake);
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    connection: TcpStream,
    address: SocketAddr,
) -> std::io::Result<Option<(Connection, Caller)>> {
    let mut first = [0];
    if connection.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first[0] != plain::HANDSHAKE {
        tracing::debug!(%address, "the client does not speak TLS");
        plain::answer(connection).await?;
        return Ok(None);
    }
    let mut caller = Caller::of(&connection, address);
    let connection = acceptor.accept(connection).await?;
    let shown = connection.get_ref().1.peer_certificates();
    // Certificates are verified by now; one of no known role makes its owner nobody.
    caller.member = shown.and_then(|chain| chain.first()).and_then(|certificate| {
        let role = Role::of(certificate)?;
        let names = names::of_certificate(certificate);
        Some(Arc::new(Member { role, names }))
    });
    Ok(Some((Either::Right(connection), caller)))
}

impl Caller {
    fn of(connection: &TcpStream, address: SocketAddr) -> Self {
        // Small messages go back and forth: waiting to fill packets would only cost time.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        Self {
            address,
            reached: connection.local_addr().ok().map(|address| address.ip()),
            member: None,
        }
    }

    /// Whether whoever sent a request has shown a certificate of this role.
    pub fn sent(request: &Request, role: Role) -> bool {
        let caller = request.extensions().get::<ConnectInfo<Caller>>();
        caller.is_some_and(|ConnectInfo(caller)| caller.is_a(role))
    }

    /// Whether it has shown a certificate of this role.
    pub fn is_a(&self, role: Role) -> bool {
        self.member.as_ref().is_some_and(|member| member.role == role)
    }

    /// Whether it calls from this very machine.
    pub fn is_local(&self) -> bool {
        self.address.ip().is_loopback() || self.reached == Some(self.address.ip())
    }
}

impl Listener for Port {
    type Io = Connection;
    type Addr = Caller;

    async fn accept(&mut self) -> (Connection, Caller) {
        let Some(tls) = &mut self.tls else {
            let (connection, address) = Listener::accept(&mut self.listener).await;
            let caller = Caller::of(&connection, address);
            return (Either::Left(connection), caller);
        };
        loop {
            tokio::select! {
                Some(shaken) = tls.handshakes.join_next() => {
                    if let Ok(Some(shaken)) = shaken {
                        return shaken;
                    }
                }
                (connection, address) = Listener::accept(&mut self.listener) => tls.begin(connection, address),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Caller> {
        let address = self.listener.local_addr()?;
        Ok(Caller {
            address,
            reached: Some(address.ip()),
            member: None,
        })
    }
}

impl Connected<IncomingStream<'_, Port>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.remote_addr().clone()
    }
}
