//! [`DriverPort`]: where a driver listens, how it is reached, and whether on TLS. Off loopback it always is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rookery_driver::Tls;
use rookery_proto::Failure;
use rookery_tls::{Authority, JoinTokens};
use tokio::net::TcpListener;
use url::Url;

use crate::diagnostic::{config, internal};
use crate::listen::{self, Address, Advertised};
use crate::state_dir::StateDir;

/// Who may call a driver, and how.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Access {
    /// Let every program of this machine in, without a token
    #[arg(long)]
    insecure: bool,

    /// Speak TLS on an address of this machine alone, too; on others it is always so
    #[arg(long)]
    tls: bool,

    /// The name or address by which other machines reach this one, for --listen 0.0.0.0:PORT
    #[arg(long, value_name = "HOST[:PORT]", value_parser = Advertised::parse)]
    advertise: Option<Advertised>,
}

impl Access {
    /// Access as a named cluster was configured, not as flags say.
    pub(crate) fn of(tls: bool, advertise: Option<Advertised>) -> Self {
        Self {
            insecure: false,
            tls,
            advertise,
        }
    }

    /// Whether callers need no token.
    pub(crate) fn is_insecure(&self) -> bool {
        self.insecure
    }
}

/// An open port.
#[derive(Debug)]
pub(crate) struct DriverPort {
    pub(crate) listener: TcpListener,
    /// How others reach it.
    pub(crate) url: Url,
    /// How this machine reaches it, whatever others call it.
    pub(crate) local_url: Url,
    /// Where workers that are started beside it listen.
    pub(crate) workers_at: WorkersAt,
    pub(crate) tls: Option<Arc<Tls>>,
    /// What clients believe.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where workers that a driver's command starts listen.
#[derive(Debug, Clone)]
pub(crate) struct WorkersAt {
    pub(crate) listen: String,
    pub(crate) advertise: Option<String>,
}

impl DriverPort {
    /// Opens the port, and makes the driver's certificate if it is on TLS.
    ///
    /// # Errors
    /// Class config: the address can't be listened on, or not in this way.
    pub(crate) async fn open(address: &str, access: &Access, state: &StateDir) -> Result<Self, Failure> {
        let address = Address::parse(address)?;
        let advertised = access.advertise.as_ref();
        address.check_reachable(advertised)?;
        if access.insecure && !address.is_loopback() {
            return Err(config(format!(
                "--insecure would let everybody in who reaches {}",
                address.ip()
            ))
            .at(address.flag())
            .hint("leave --insecure out, or listen on 127.0.0.1"));
        }
        let listener = address.open().await?;
        let is_tls = access.tls || !address.is_loopback();
        let url = listen::url_of(&listener, is_tls, advertised)?;
        let port = listener
            .local_addr()
            .map_err(|e| internal(format!("the port has no address: {e}")))?;
        let local_url = listen::url(is_tls, &towards(address.ip()).to_string(), port.port())?;
        let tls = match is_tls {
            true => Some(Arc::new(open_tls(state, address.ip(), advertised)?)),
            false => None,
        };
        Ok(Self {
            listener,
            url,
            local_url,
            workers_at: WorkersAt {
                listen: std::net::SocketAddr::new(address.ip(), 0).to_string(),
                advertise: advertised.map(|advertised| advertised.host.clone()),
            },
            ca_file: is_tls.then(|| state.ca_file()),
            tls,
        })
    }
}

/// The address by which this machine reaches a port of its own.
fn towards(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The authority of a state directory, and a driver's certificate from it, for every name that this machine may be called.
fn open_tls(state: &StateDir, ip: IpAddr, advertised: Option<&Advertised>) -> Result<Tls, Failure> {
    state.create()?;
    let authority = Authority::open_or_make(&state.tls())?;
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    names.extend((!ip.is_unspecified()).then(|| ip.to_string()));
    names.extend(advertised.map(|advertised| advertised.host.clone()));
    names.extend(host_name());
    names.sort();
    names.dedup();
    let identity = authority.issue_driver(&names)?;
    let join_tokens = JoinTokens::new(state.join_tokens(), authority.certificate().fingerprint());
    Ok(Tls {
        authority: Arc::new(authority),
        identity,
        join_tokens,
    })
}

/// What this machine calls itself, where the system tells it in a file.
fn host_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = text.trim().to_ascii_lowercase();
    rookery_tls::is_valid(&name).then_some(name)
}
