//! Addresses to listen on, and URLs of drivers.

use std::net::{IpAddr, SocketAddr};

use rookery_proto::Failure;
use tokio::net::TcpListener;
use url::{Host, Url};

use crate::diagnostic::{config, internal};

/// An address to listen on: an IP address or `localhost`, and a port (0: any free one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    text: String,
    socket: SocketAddr,
}

/// How others reach a port: by this name or address, and this port unless it is the one that is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advertised {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Address {
    /// Reads what a user wrote after `--listen`.
    ///
    /// # Errors
    /// Class config: no such address.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_string(),
        };
        let socket = numeric.parse().map_err(|_| {
            config(format!("\"{text}\" is no address, expected IP:PORT"))
                .at("--listen")
                .hint("for example 127.0.0.1:7070")
        })?;
        Ok(Self {
            text: text.to_string(),
            socket,
        })
    }

    /// Any free port at an address.
    pub(crate) fn any_port(ip: IpAddr) -> Self {
        let socket = SocketAddr::new(ip, 0);
        Self {
            text: socket.to_string(),
            socket,
        }
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.socket.ip()
    }

    /// Whether only this machine reaches it.
    pub(crate) fn is_loopback(&self) -> bool {
        self.ip().is_loopback()
    }

    /// As the user wrote it, for messages.
    pub(crate) fn flag(&self) -> String {
        format!("--listen {}", self.text)
    }

    /// Sees that others know where the port is.
    ///
    /// # Errors
    /// Class config: every address of this machine is listened on, and none is named.
    pub(crate) fn check_reachable(&self, advertised: Option<&Advertised>) -> Result<(), Failure> {
        if !self.ip().is_unspecified() || advertised.is_some() {
            return Ok(());
        }
        Err(config(format!(
            "{} is every address of this machine: others need to know one of them",
            self.ip()
        ))
        .at(self.flag())
        .hint("name it with --advertise HOST"))
    }

    /// Opens the port.
    ///
    /// # Errors
    /// Class config: the port is in use, or the address is not this machine's.
    pub(crate) async fn open(&self) -> Result<TcpListener, Failure> {
        TcpListener::bind(self.socket).await.map_err(|e| match e.kind() {
            std::io::ErrorKind::AddrInUse => config(format!("port {} is in use", self.socket.port()))
                .at(self.flag())
                .hint("stop what uses it, or choose another one; port 0 takes any free one"),
            _ => config(format!("can't listen on {}: {e}", self.socket)).at(self.flag()),
        })
    }
}

impl Advertised {
    /// Reads `HOST` or `HOST:PORT`; a message for the user if it is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address alone has colons, too.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().map_err(|_| format!("\"{port}\" is no port"))?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_nobody = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        match rookery_tls::is_valid(host) && !is_nobody && port != Some(0) {
            true => Ok(Self {
                host: host.to_ascii_lowercase(),
                port,
            }),
            false => Err("expected HOST or HOST:PORT, a name or an address of this machine".to_string()),
        }
    }
}

/// The URL of an open port, with the name that others know it by.
pub(crate) fn url_of(
    listener: &TcpListener,
    tls: bool,
    advertised: Option<&Advertised>,
) -> Result<Url, Failure> {
    let address = listener
        .local_addr()
        .map_err(|e| internal(format!("the port has no address: {e}")))?;
    let port = advertised.and_then(|advertised| advertised.port);
    let host = advertised.map_or_else(|| address.ip().to_string(), |advertised| advertised.host.clone());
    url(tls, &host, port.unwrap_or(address.port()))
}

/// `http://HOST:PORT`, or `https`.
pub(crate) fn url(tls: bool, host: &str, port: u16) -> Result<Url, Failure> {
    let scheme = if tls { "https" } else { "http" };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_string()
    };
    Url::parse(&format!("{scheme}://{host}:{port}")).map_err(|e| internal(format!("no URL for {host}: {e}")))
}

/// The URL without the slash that ends it, as people write it.
pub(crate) fn display(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// A driver's URL as a user wrote it.
///
/// # Errors
/// Class config: no URL, not an `http` or `https` one with a port, or an `http` one of another machine, to which the token
/// would travel for everybody to read.
pub(crate) fn driver_url(text: &str, origin: &str) -> Result<Url, Failure> {
    let wrong = |what: String| config(what).at(origin).hint("for example http://127.0.0.1:7070");
    let text = text.trim();
    let url = Url::parse(text).map_err(|e| wrong(format!("\"{text}\" is no URL: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!(
            "\"{text}\" has scheme {}, expected http or https",
            url.scheme()
        )));
    }
    if url.host().is_none() || url.port_or_known_default().is_none() {
        return Err(wrong(format!("\"{text}\" names no host and port")));
    }
    if url.scheme() == "http" && !is_this_machine(&url) {
        let safe = format!("https{}", text.strip_prefix("http").unwrap_or_default());
        return Err(
            config(format!("\"{text}\" is another machine, where drivers speak TLS"))
                .at(origin)
                .hint(format!("use {safe}")),
        );
    }
    Ok(url)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use rookery_proto::ErrorClass;

    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, expected, loopback) in [
            ("127.0.0.1:7070", "127.0.0.1:7070", true),
            ("localhost:0", "127.0.0.1:0", true),
            ("[::1]:80", "[::1]:80", true),
            ("192.168.1.4:7070", "192.168.1.4:7070", false),
            ("0.0.0.0:7070", "0.0.0.0:7070", false),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.socket.to_string(), expected);
            assert_eq!(address.is_loopback(), loopback, "{text}");
        }
        for text in ["7070", "127.0.0.1:99999", "example.org:7070"] {
            let failure = Address::parse(text).unwrap_err();
            assert_eq!(failure.class, ErrorClass::Config);
            assert!(failure.message.contains("expected IP:PORT"), "{failure}");
        }
    }

    #[test]
    fn every_address_needs_a_name() {
        let named = Advertised::parse("driver.example").unwrap();
        for everywhere in ["0.0.0.0:7070", "[::]:7070"] {
            let address = Address::parse(everywhere).unwrap();
            let failure = address.check_reachable(None).unwrap_err();
            assert!(failure.hint.unwrap().contains("--advertise"));
            address.check_reachable(Some(&named)).unwrap();
        }
        let one = Address::parse("192.168.1.4:7070").unwrap();
        one.check_reachable(None).unwrap();
    }

    #[test]
    fn what_is_advertised_is_read() {
        for (text, host, port) in [
            ("Driver.example", "driver.example", None),
            ("driver.example:443", "driver.example", Some(443)),
            ("10.0.0.7:7070", "10.0.0.7", Some(7070)),
            ("fd00::7", "fd00::7", None),
            ("[fd00::7]:7070", "fd00::7", Some(7070)),
        ] {
            let advertised = Advertised::parse(text).unwrap();
            assert_eq!(
                (advertised.host.as_str(), advertised.port),
                (host, port),
                "{text}"
            );
            let url = url(true, host, port.unwrap_or(1)).unwrap();
            assert_eq!(rookery_tls::host_of(&url).as_deref(), Some(host));
        }
        for text in ["", "0.0.0.0", "a b", "host:port", "host:0", "https://host"] {
            assert!(Advertised::parse(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = Address::parse("127.0.0.1:0").unwrap().open().await.unwrap();
        let port = first.local_addr().unwrap().port();
        let second = Address::parse(&format!("127.0.0.1:{port}")).unwrap();
        let failure = second.open().await.unwrap_err();
        assert_eq!(failure.message, format!("port {port} is in use"));
    }

    #[test]
    fn driver_urls_are_checked() {
        for url in [
            "http://127.0.0.1:7070",
            "http://localhost:7070",
            "https://driver.example:7070",
        ] {
            let read = driver_url(&format!(" {url} \n"), "--driver").unwrap();
            assert_eq!(display(&read), url);
        }
        for text in ["127.0.0.1:7070", "", "unix:/tmp/x", "http://driver.example:7070"] {
            let failure = driver_url(text, "--driver").unwrap_err();
            assert_eq!(
                (failure.class, failure.location.as_deref()),
                (ErrorClass::Config, Some("--driver")),
                "{text}"
            );
        }
        let failure = driver_url("http://10.0.0.7:7070", "--driver").unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("use https://10.0.0.7:7070"));
    }
}
