//! [`Role`]: what a certificate says its owner is.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What a member of a cluster is. A URI among the names of its certificate tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Plans and decides.
    Driver,
    /// Computes.
    Worker,
}

impl Role {
    /// In the words of people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Worker => "worker",
        }
    }

    /// The URI that says so.
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Driver => "urn:rookery:role:driver",
            Self::Worker => "urn:rookery:role:worker",
        }
    }

    /// The role that a certificate names; `None` if it names none, or several.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        let mut uris = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let uri = uris.next()?;
        let role = [Self::Driver, Self::Worker]
            .into_iter()
            .find(|role| role.uri() == uri);
        role.filter(|_| uris.next().is_none())
    }
}
