//! [`Trust`]: whom a client believes, and how it shows who it is itself.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use tonic::transport::{ClientTlsConfig, Endpoint};

use crate::certificate::roots;
use crate::{CaCertificate, Fingerprint, Identity, Role, provider};

/// How long a server may take to show who it is.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// What a client needs for its connections: the server's certificate must be made by this authority, for the name in the
/// URL, and for this role. A worker's certificate is good for no driver, whatever name it was made for.
#[derive(Debug, Clone)]
pub struct Trust {
    anchor: Anchor,
    identity: Option<Identity>,
}

#[derive(Debug, Clone)]
enum Anchor {
    Known(CaCertificate),
    /// Known by its digest; the server shows the certificate itself.
    Pinned(Fingerprint),
}

impl Trust {
    /// A client without a certificate of its own.
    pub fn in_authority(ca: CaCertificate) -> Self {
        Self {
            anchor: Anchor::Known(ca),
            identity: None,
        }
    }

    /// A client that knows no more of the authority than a join token says.
    pub fn pinned(authority: Fingerprint) -> Self {
        Self {
            anchor: Anchor::Pinned(authority),
            identity: None,
        }
    }

    /// A member, that shows its certificate.
    pub fn of_member(identity: Identity) -> Self {
        Self {
            anchor: Anchor::Known(identity.ca().clone()),
            identity: Some(identity),
        }
    }

    /// The endpoint, whose connections are on TLS if its URL says `https`.
    ///
    /// # Errors
    /// tonic's, when the identity is not usable.
    pub fn secure(&self, endpoint: Endpoint, server: Role) -> Result<Endpoint, tonic::transport::Error> {
        let mut config = ClientTlsConfig::new().timeout(HANDSHAKE_WITHIN);
        if let Some(identity) = &self.identity {
            config = config.identity(tonic::transport::Identity::from_pem(
                format!("{}{}", identity.certificate_pem(), identity.ca().pem()),
                identity.key().expose(),
            ));
        }
        let verifier = Verifier {
            anchor: self.anchor.clone(),
            server,
            provider: provider(),
        };
        endpoint.tls_config_with_verifier(config, Arc::new(verifier))
    }
}

#[derive(Debug)]
struct Verifier {
    anchor: Anchor,
    server: Role,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// The authority to verify with, among those that the server shows.
    fn authority<'a>(&'a self, shown: &'a [CertificateDer<'a>]) -> Result<&'a CertificateDer<'a>, Error> {
        match &self.anchor {
            Anchor::Known(ca) => Ok(ca.der()),
            Anchor::Pinned(fingerprint) => shown
                .iter()
                .find(|certificate| Fingerprint::of(certificate) == *fingerprint)
                .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let roots = roots(self.authority(intermediates)?)?;
        let provider = Arc::clone(&self.provider);
        let usual = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|e| Error::General(e.to_string()))?;
        let verified =
            usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        match Role::of(end_entity) == Some(self.server) {
            true => Ok(verified),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
