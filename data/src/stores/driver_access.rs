//! [`DriverAccess`]: how a worker reads files of the driver's disk: by byte ranges, from the driver's port.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use object_store::client::{HttpClient, HttpConnector};
use object_store::http::HttpBuilder;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use crate::error::{DataError, Result};

/// Where the driver serves files: `/api/rookery/v1/sources/DATASET/NUMBER`.
pub const SOURCES_ROUTE: &str = "/api/rookery/v1/sources";

/// How long a connection may take to open, and how long the driver may be silent.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// Until when a request is tried again: a driver that is gone is for others to notice.
const RETRIES_END: Duration = Duration::from_secs(20);

/// How the driver's port is trusted and who calls it, when it speaks TLS.
#[derive(Clone, Default)]
pub struct ClientTls {
    /// The authority that signed the driver's certificate, as PEM; without it, those that the system trusts.
    pub ca_pem: Option<Vec<u8>>,
    /// Certificate and private key of this worker, as PEM.
    pub identity_pem: Option<Vec<u8>>,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls")
            .field("has_ca", &self.ca_pem.is_some())
            .field("has_identity", &self.identity_pem.is_some())
            .finish()
    }
}

/// How the driver's files are read.
#[derive(Debug, Clone)]
pub struct DriverAccess {
    url: Url,
    client: reqwest::Client,
}

impl DriverAccess {
    /// A client of the driver at `url` that shows it `authorization`.
    ///
    /// # Errors
    /// A certificate or a header that is none.
    pub fn new(url: Url, authorization: Option<&str>, tls: &ClientTls) -> Result<Self> {
        let unusable = |what: &str, e: &dyn std::fmt::Display| {
            DataError::spec(format!("{what} can't be used: {e}")).at(url.as_str())
        };
        let mut headers = HeaderMap::new();
        if let Some(text) = authorization {
            let mut value = HeaderValue::from_str(text).map_err(|e| unusable("the token", &e))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .tcp_nodelay(true)
            // The token is for the driver alone.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &tls.ca_pem {
            let authority = reqwest::Certificate::from_pem(pem)
                .map_err(|e| unusable("the authority's certificate", &e))?;
            builder = builder
                .tls_built_in_root_certs(false)
                .add_root_certificate(authority);
        }
        if let Some(pem) = &tls.identity_pem {
            let identity = reqwest::Identity::from_pem(pem)
                .map_err(|e| unusable("the worker's certificate or key", &e.without_url()))?;
            builder = builder.identity(identity);
        }
        let client = builder.build().map_err(|e| unusable("the connection", &e))?;
        Ok(Self { url, client })
    }

    /// Where the driver answers.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The files of a dataset, each by its number.
    pub(super) fn files(&self, dataset: &str) -> Result<Arc<dyn ObjectStore>> {
        let mut url = self.url.clone();
        url.set_path(&format!("{SOURCES_ROUTE}/{dataset}"));
        let retries = RetryConfig {
            max_retries: 4,
            retry_timeout: RETRIES_END,
            ..super::bounds::retries()
        };
        let store = HttpBuilder::new()
            .with_url(url.clone())
            .with_retry(retries)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_http_connector(Connected(self.client.clone()))
            .build()
            .map_err(|e| DataError::internal(format!("{url}: {e}")))?;
        Ok(Arc::new(store))
    }
}

/// Hands the one client out that is there.
#[derive(Debug)]
struct Connected(reqwest::Client);

impl HttpConnector for Connected {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;
    use object_store::path::Path as Location;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::error::DataErrorKind;

    struct Authority {
        certificate: rcgen::Certificate,
        issuer: Issuer<'static, KeyPair>,
    }

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let issuer = Issuer::new(params, key);
            Self { certificate, issuer }
        }

        fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_string()]).unwrap();
            (params.signed_by(&key, &self.issuer).unwrap(), key)
        }
    }

    /// A port that asks for a certificate and a token, and answers every request with three bytes.
    async fn driver(authority: &Authority) -> Url {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (certificate, key) = authority.sign("127.0.0.1");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            );
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let Ok(mut connection) = acceptor.accept(connection).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(connection.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap().to_lowercase();
                let is_right = request.starts_with("get /api/rookery/v1/sources/d/7 ")
                    && request.contains("authorization: bearer t\r\n")
                    && request.contains("range: bytes=1-3\r\n");
                let answer = match is_right {
                    true => {
                        "206 Partial Content\r\nContent-Range: bytes 1-3/9\r\nContent-Length: 3\r\n\r\nabc"
                    }
                    false => "400 Bad Request\r\nContent-Length: 0\r\n\r\n",
                };
                let answer = format!("HTTP/1.1 {answer}");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Url::parse(&url).unwrap()
    }

    async fn read(url: &Url, tls: &ClientTls) -> object_store::Result<String> {
        let access = DriverAccess::new(url.clone(), Some("Bearer t"), tls).unwrap();
        let files = access.files("d").unwrap();
        let bytes = files.get_range(&Location::from("7"), 1..4).await?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_port_is_trusted_by_its_authority_and_shown_token_and_certificate() {
        let authority = Authority::new();
        let url = driver(&authority).await;
        let (certificate, key) = authority.sign("worker");
        let trusting = ClientTls {
            ca_pem: Some(authority.certificate.pem().into_bytes()),
            identity_pem: None,
        };
        let known = ClientTls {
            identity_pem: Some(format!("{}{}", certificate.pem(), key.serialize_pem()).into_bytes()),
            ..trusting.clone()
        };
        assert_eq!(read(&url, &known).await.unwrap(), "abc");
        let another = ClientTls {
            ca_pem: Some(Authority::new().certificate.pem().into_bytes()),
            ..known
        };
        for stranger in [trusting, another, ClientTls::default()] {
            assert!(read(&url, &stranger).await.is_err(), "{stranger:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused_and_keys_are_not_shown() {
        let tls = ClientTls {
            identity_pem: Some(b"-----BEGIN PRIVATE KEY-----\nhush\n".to_vec()),
            ca_pem: None,
        };
        assert!(
            !format!("{tls:?}").contains("104, 117"),
            "bytes of a key are shown"
        );
        let url = Url::parse("https://127.0.0.1:1").unwrap();
        let error = DriverAccess::new(url, None, &tls).unwrap_err();
        assert_eq!(error.kind, DataErrorKind::Spec);
        assert!(error.message.contains("certificate or key"), "{error}");
    }
}
