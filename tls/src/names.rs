//! Names that a certificate can be made for: DNS names and IP addresses, as text.

use std::net::IpAddr;

use rcgen::SanType;
use rustls::pki_types::ServerName;
use url::{Host, Url};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::authority::Request;

/// Most names that a worker's certificate has.
const MOST_NAMES: usize = 16;

/// Whether a text is a DNS name or an IP address (without brackets).
pub fn is_valid(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

/// The host of a URL, as certificates name it: an address without brackets.
pub fn host_of(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => Some(name.to_ascii_lowercase()),
        Host::Ipv4(ip) => Some(ip.to_string()),
        Host::Ipv6(ip) => Some(ip.to_string()),
    }
}

/// Whether it is an address of this machine alone.
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The names that a worker asks for, and nothing else it may ask for.
///
/// # Errors
/// A text saying what it must not ask for.
pub fn of_request(request: &Request) -> Result<Vec<String>, String> {
    let wanted = request.wanted();
    if wanted.is_empty() || wanted.len() > MOST_NAMES {
        return Err(format!(
            "it asks for {} names, expected 1 to {MOST_NAMES}",
            wanted.len()
        ));
    }
    wanted.iter().map(text_of).collect()
}

fn text_of(name: &SanType) -> Result<String, String> {
    match name {
        SanType::IpAddress(ip) if ip.is_unspecified() => Err(format!("{ip} is nobody's address")),
        SanType::IpAddress(ip) => Ok(ip.to_string()),
        SanType::DnsName(name) if is_valid(name.as_str()) && !name.as_str().contains('*') => {
            Ok(name.as_str().to_ascii_lowercase())
        }
        _ => Err("it asks for something else than DNS names and IP addresses".to_string()),
    }
}

/// The DNS names and IP addresses of a certificate.
pub(crate) fn of_certificate(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).ok()
}
