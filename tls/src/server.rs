//! A port's side of TLS: whom it lets in.

use std::sync::Arc;

use rookery_proto::Failure;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use crate::failing::internal;
use crate::{Identity, provider};

/// Who may connect. Who may ask for something is decided with each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Everybody; but whoever shows a certificate must have it from this authority.
    Anybody,
    /// Those with a certificate of this authority.
    Members,
}

impl Identity {
    /// How the owner of this identity serves TLS, gRPC and HTTP alike.
    ///
    /// # Errors
    /// Class internal: certificate and key do not fit together.
    pub fn server(&self, callers: Callers) -> Result<Arc<ServerConfig>, Failure> {
        let members = WebPkiClientVerifier::builder_with_provider(self.ca().roots()?, provider());
        let verifier = match callers {
            Callers::Members => members.build(),
            Callers::Anybody => members.allow_unauthenticated().build(),
        };
        let verifier = verifier.map_err(|e| internal("the CA certificate is not usable", &e))?;
        let unusable = |e| internal("the certificate and its key are not usable", &e);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain(), self.key_der()?)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
