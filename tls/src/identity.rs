//! [`Identity`]: a member's certificate, its key, and the authority that both sides believe.

use std::fmt;
use std::sync::Arc;

use rookery_proto::Failure;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::failing::{config, internal};
use crate::{CaCertificate, Role, names};

/// A key; it never appears in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Arc<str>);

impl PrivateKey {
    /// A key in PEM form.
    pub fn new(pem: impl Into<Arc<str>>) -> Self {
        Self(pem.into())
    }

    /// The key itself, PEM form.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// Proves who a driver or a worker is.
#[derive(Debug, Clone)]
pub struct Identity {
    ca: CaCertificate,
    certificate_pem: Arc<str>,
    certificate: CertificateDer<'static>,
    key: PrivateKey,
}

impl Identity {
    /// A certificate that `ca` made for the owner of `key`.
    ///
    /// # Errors
    /// Class config: it is no certificate.
    pub fn new(ca: CaCertificate, certificate_pem: &str, key: PrivateKey) -> Result<Self, Failure> {
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|e| config(format!("there is no certificate in PEM form: {e}")))?;
        Ok(Self {
            ca,
            certificate_pem: certificate_pem.into(),
            certificate,
            key,
        })
    }

    /// Who made the certificate.
    pub fn ca(&self) -> &CaCertificate {
        &self.ca
    }

    /// The certificate, PEM form.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// What it says its owner is.
    pub fn role(&self) -> Option<Role> {
        Role::of(&self.certificate)
    }

    /// Whether its owner may be reached by this name or address.
    pub fn is_for(&self, name: &str) -> bool {
        names::of_certificate(&self.certificate).contains(&name.to_ascii_lowercase())
    }

    /// Until when it holds, in Unix seconds.
    ///
    /// # Errors
    /// Class internal: the certificate is unreadable.
    pub fn expires(&self) -> Result<i64, Failure> {
        let (_, certificate) = X509Certificate::from_der(&self.certificate)
            .map_err(|e| internal("the certificate is unreadable", &e))?;
        Ok(certificate.validity().not_after.timestamp())
    }

    /// The certificate and the authority's: whoever pins the authority needs to see it.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone(), self.ca.der().clone()]
    }

    pub(crate) fn key_der(&self) -> Result<PrivateKeyDer<'static>, Failure> {
        PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes())
            .map_err(|e| internal("the private key is unreadable", &e))
    }
}
