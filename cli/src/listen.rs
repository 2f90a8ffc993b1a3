//! Addresses to listen on, and URLs of drivers.

use std::net::SocketAddr;

use rookery_proto::Failure;
use tokio::net::TcpListener;
use url::Url;

use crate::diagnostic::{config, internal};

/// Opens the port `address` names: an IP address or `localhost`, and a port (0: any free one).
///
/// # Errors
/// Class config: no such address, one that other machines reach, a port in use.
pub(crate) async fn bind(address: &str) -> Result<TcpListener, Failure> {
    let parsed = parse(address)?;
    TcpListener::bind(parsed).await.map_err(|e| {
        let place = format!("--listen {address}");
        match e.kind() {
            std::io::ErrorKind::AddrInUse => config(format!("port {} is in use", parsed.port()))
                .at(place)
                .hint("stop what uses it, or choose another one; port 0 takes any free one"),
            _ => config(format!("can't listen on {parsed}: {e}")).at(place),
        }
    })
}

fn parse(address: &str) -> Result<SocketAddr, Failure> {
    let numeric = match address.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_string(),
    };
    let parsed: SocketAddr = numeric.parse().map_err(|_| {
        config(format!("\"{address}\" is no address, expected IP:PORT"))
            .at("--listen")
            .hint("for example 127.0.0.1:7070")
    })?;
    if !parsed.ip().is_loopback() {
        return Err(config(format!(
            "{parsed} is reachable from other machines: off-loopback needs mTLS, which is not there yet"
        ))
        .at(format!("--listen {address}"))
        .hint("listen on 127.0.0.1"));
    }
    Ok(parsed)
}

/// The URL of an open port.
pub(crate) fn url_of(listener: &TcpListener) -> Result<Url, Failure> {
    let address = listener
        .local_addr()
        .map_err(|e| internal(format!("the port has no address: {e}")))?;
    Url::parse(&format!("http://{address}")).map_err(|e| internal(format!("no URL for {address}: {e}")))
}

/// The URL without the slash that ends it, as people write it.
pub(crate) fn display(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// A driver's URL as a user wrote it.
///
/// # Errors
/// Class config: no URL, or not an `http` one with a port.
pub(crate) fn driver_url(text: &str, origin: &str) -> Result<Url, Failure> {
    let wrong = |what: String| config(what).at(origin).hint("for example http://127.0.0.1:7070");
    let text = text.trim();
    let url = Url::parse(text).map_err(|e| wrong(format!("\"{text}\" is no URL: {e}")))?;
    if url.scheme() != "http" {
        return Err(wrong(format!(
            "\"{text}\" has scheme {}, expected http",
            url.scheme()
        )));
    }
    if url.host().is_none() || url.port_or_known_default().is_none() {
        return Err(wrong(format!("\"{text}\" names no host and port")));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use rookery_proto::ErrorClass;

    use super::*;

    #[test]
    fn addresses_of_this_machine_are_taken() {
        for (text, expected) in [
            ("127.0.0.1:7070", "127.0.0.1:7070"),
            ("localhost:0", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn other_addresses_are_refused_with_the_reason() {
        for (text, reason) in [
            ("0.0.0.0:7070", "off-loopback needs mTLS"),
            ("192.168.1.4:7070", "off-loopback needs mTLS"),
            ("[::]:7070", "off-loopback needs mTLS"),
            ("7070", "expected IP:PORT"),
            ("127.0.0.1:99999", "expected IP:PORT"),
        ] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.class, ErrorClass::Config);
            assert!(failure.message.contains(reason), "{failure}");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let failure = bind(&format!("127.0.0.1:{port}")).await.unwrap_err();
        assert_eq!(failure.message, format!("port {port} is in use"));
    }

    #[test]
    fn driver_urls_are_checked() {
        assert_eq!(
            display(&driver_url(" http://127.0.0.1:7070 \n", "--driver").unwrap()),
            "http://127.0.0.1:7070"
        );
        for text in ["127.0.0.1:7070", "https://127.0.0.1:7070", "", "unix:/tmp/x"] {
            let failure = driver_url(text, "--driver").unwrap_err();
            assert_eq!(
                (failure.class, failure.location.as_deref()),
                (ErrorClass::Config, Some("--driver")),
                "{text}"
            );
        }
    }
}
