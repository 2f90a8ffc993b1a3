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
#[derive(Clone)]
pub struct ClientTls {
    /// The authority that signed the driver's certificate, as PEM.
    pub ca_pem: Vec<u8>,
    /// Certificate and private key of this worker, as PEM.
    pub identity_pem: Vec<u8>,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientTls(…)")
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
    pub fn new(url: Url, authorization: Option<&str>, tls: Option<&ClientTls>) -> Result<Self> {
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
        if let Some(tls) = tls {
            let authority = reqwest::Certificate::from_pem(&tls.ca_pem)
                .map_err(|e| unusable("the authority's certificate", &e))?;
            let identity = reqwest::Identity::from_pem(&tls.identity_pem)
                .map_err(|e| unusable("the worker's certificate or key", &e.without_url()))?;
            builder = builder
                .tls_built_in_root_certs(false)
                .add_root_certificate(authority)
                .identity(identity);
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
            ..super::store::retries()
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
