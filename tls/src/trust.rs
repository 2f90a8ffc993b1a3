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

#[cfg(test)]
mod tests {
    use axum::serve::Listener as _;
    use rookery_proto::Failure;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Authority, Callers, Port, PrivateKey, Request, of_request, trouble};

    struct Cluster {
        authority: Authority,
        _folder: tempfile::TempDir,
    }

    impl Cluster {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self {
                authority: Authority::open_or_make(folder.path()).unwrap(),
                _folder: folder,
            }
        }

        fn ca(&self) -> CaCertificate {
            self.authority.certificate().clone()
        }

        fn driver(&self, name: &str) -> Identity {
            self.authority.issue_driver(&[name.to_string()]).unwrap()
        }

        fn worker(&self, name: &str) -> Identity {
            let (key, request): (PrivateKey, _) = Request::make(vec![name.to_string()]).unwrap();
            let request = Request::read(&request).unwrap();
            let names = of_request(&request).unwrap();
            let pem = self.authority.sign_worker(request, &names).unwrap();
            Identity::new(self.ca(), &pem, key).unwrap()
        }
    }

    /// A port that lets whoever is let in stay, and tells how often it was.
    async fn serve(identity: &Identity, callers: Callers) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let mut port = Port::new(listener, Some(identity.server(callers).unwrap()));
        tokio::spawn(async move {
            let mut connections = Vec::new();
            loop {
                connections.push(port.accept().await);
            }
        });
        url
    }

    async fn connect(trust: &Trust, url: &str, server: Role) -> Result<(), Failure> {
        let endpoint = Endpoint::from_shared(url.to_string()).unwrap();
        let connected = trust.secure(endpoint, server).unwrap().connect().await;
        connected
            .map(|_| ())
            .map_err(|error| trouble::explain(&error, "driver", url).unwrap_or_else(|| panic!("{error:?}")))
    }

    fn says(refused: Result<(), Failure>, expected: &str) {
        let failure = refused.unwrap_err();
        assert!(failure.message.contains(expected), "{failure}");
    }

    #[tokio::test]
    async fn the_driver_of_the_cluster_is_believed_and_nobody_else() {
        let (ours, theirs) = (Cluster::new(), Cluster::new());
        let driver = serve(&ours.driver("127.0.0.1"), Callers::Anybody).await;
        let renamed = serve(&ours.driver("driver.example"), Callers::Anybody).await;
        let worker = serve(&ours.worker("127.0.0.1"), Callers::Members).await;
        for trust in [
            Trust::in_authority(ours.ca()),
            Trust::pinned(ours.ca().fingerprint()),
            Trust::of_member(ours.worker("127.0.0.1")),
        ] {
            connect(&trust, &driver, Role::Driver).await.unwrap();
            says(
                connect(&trust, &renamed, Role::Driver).await,
                "not made for the name",
            );
            says(connect(&trust, &worker, Role::Driver).await, "but not the driver");
        }
        let member = Trust::of_member(ours.driver("127.0.0.1"));
        connect(&member, &worker, Role::Worker).await.unwrap();
        for trust in [
            Trust::in_authority(theirs.ca()),
            Trust::pinned(theirs.ca().fingerprint()),
        ] {
            says(connect(&trust, &driver, Role::Driver).await, "another authority");
        }
    }

    #[tokio::test]
    async fn a_certificate_of_another_authority_with_the_same_names_is_no_use() {
        let (ours, theirs) = (Cluster::new(), Cluster::new());
        let impostor = serve(&theirs.driver("127.0.0.1"), Callers::Anybody).await;
        let pinned = Trust::pinned(ours.ca().fingerprint());
        says(
            connect(&pinned, &impostor, Role::Driver).await,
            "another authority",
        );
        // One that shows the right authority's certificate beside its own wrong one.
        let theirs = theirs.driver("127.0.0.1");
        let mixed = Identity::new(ours.ca(), theirs.certificate_pem(), theirs.key().clone()).unwrap();
        let impostor = serve(&mixed, Callers::Anybody).await;
        says(
            connect(&pinned, &impostor, Role::Driver).await,
            "another authority",
        );
    }
}
