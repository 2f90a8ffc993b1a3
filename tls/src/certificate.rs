//! [`CaCertificate`]: what everybody may know of a cluster's certificate authority.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rookery_proto::Failure;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::Fingerprint;
use crate::failing::{config, internal};

/// The certificate of an authority.
#[derive(Clone)]
pub struct CaCertificate {
    pem: Arc<str>,
    der: CertificateDer<'static>,
}

impl CaCertificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// Class config: there is none.
    pub fn from_pem(pem: &str) -> Result<Self, Failure> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|e| config(format!("there is no certificate in PEM form: {e}")))?;
        let certificate = Self { pem: pem.into(), der };
        certificate.roots()?;
        Ok(certificate)
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// Class config: there is no such file, or something else in it.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let place = || file.display().to_string();
        let pem = std::fs::read_to_string(file)
            .map_err(|e| config(format!("the CA certificate can't be read: {e}")).at(place()))?;
        Self::from_pem(&pem).map_err(|failure| failure.at(place()))
    }

    /// PEM form.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What join tokens call it by.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The one authority to believe.
    pub(crate) fn roots(&self) -> Result<Arc<RootCertStore>, Failure> {
        roots(&self.der).map_err(|e| internal("the CA certificate is not usable", &e))
    }
}

pub(crate) fn roots(authority: &CertificateDer<'_>) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    Ok(Arc::new(roots))
}

impl fmt::Debug for CaCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaCertificate({})", self.fingerprint())
    }
}

impl PartialEq for CaCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}
