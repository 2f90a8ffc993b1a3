//! [`Store`]: an object store as the driver reaches it, and what a worker needs to reach it too.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider};
use object_store::azure::{AzureConfigKey, AzureCredential, AzureCredentialProvider, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredentialProvider, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::address::StorePlace;
use super::announcement::Grant;
use super::environment::{ENDPOINTS_VARIABLE, Environment};
use super::options::StoreOptions;
use super::secrets::Secrets;
use crate::error::{DataError, Result};

/// How long a connection to a store may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a store may take for one answer, which is never larger than a piece of a file.
const ANSWER: Duration = Duration::from_secs(30);
/// Until when a request that failed is tried again.
const RETRIES_END: Duration = Duration::from_secs(120);
/// How long credentials may take to come: they are in the environment, or a service of the cloud hands them out.
const CREDENTIALS: Duration = Duration::from_secs(15);

/// A store of a source.
#[derive(Debug)]
pub(crate) struct Store {
    /// Scheme and authority, as the user wrote them.
    pub(super) url: String,
    /// What its files are called in a record: `s3`, `gs`, `abfss`, `http`.
    pub(super) kind: &'static str,
    pub(super) client: Arc<dyn ObjectStore>,
    /// What is no secret, by the names of `object_store`.
    settings: BTreeMap<String, String>,
    lender: Lender,
}

/// Where the credentials come from.
#[derive(Debug)]
enum Lender {
    Amazon(AwsCredentialProvider),
    Google(GcpCredentialProvider),
    /// An account's key is not handed out by its provider.
    Azure(AzureCredentialProvider, Secrets),
    /// Everybody may read.
    Nobody,
}

impl Store {
    /// Connects as the job's options and the operator's environment say; errors are not placed yet.
    pub(super) async fn open(
        place: &StorePlace,
        url: &str,
        options: &StoreOptions,
        environment: &Environment,
    ) -> Result<Self> {
        check_options(place, options, environment)?;
        let built = match place {
            StorePlace::Amazon { bucket } => amazon(bucket, options, environment),
            StorePlace::Google { bucket } => google(bucket, options, environment),
            StorePlace::Azure { container, account } => {
                azure(container, account.as_ref(), options, environment)
            }
            StorePlace::Web { origin } => web(origin).map(|client| (client, BTreeMap::new(), Lender::Nobody)),
        };
        let (client, settings, lender) =
            built.map_err(|e| DataError::spec(format!("{url} can't be used: {e}")))?;
        let store = Self {
            url: url.to_string(),
            kind: place.kind(),
            client,
            settings,
            lender,
        };
        store.lend().await?;
        Ok(store)
    }

    /// What lets a worker read from it now. Credentials that run out are those of this moment.
    pub(super) async fn grant(&self) -> Result<Grant> {
        Ok(Grant {
            url: self.url.clone(),
            settings: self.settings.clone(),
            secrets: self.lend().await?,
        })
    }

    async fn lend(&self) -> Result<Secrets> {
        let lent = tokio::time::timeout(CREDENTIALS, self.lender.lend()).await;
        let why = match lent {
            Ok(Ok(secrets)) => return Ok(secrets),
            Ok(Err(error)) => {
                let text = error.to_string();
                text.split_whitespace().take(40).collect::<Vec<_>>().join(" ")
            }
            Err(_) => format!("none came within {} s", CREDENTIALS.as_secs()),
        };
        Err(
            DataError::spec(format!("the driver has no credentials for {}: {why}", self.url)).hint(
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or GOOGLE_..., AZURE_...) where the driver runs, or \
                 store.skip_signature = true if everybody may read the files",
            ),
        )
    }
}

impl Lender {
    async fn lend(&self) -> object_store::Result<Secrets> {
        let values = match self {
            Self::Amazon(provider) => {
                let credential = provider.get_credential().await?;
                let mut values = vec![
                    ("access_key_id", credential.key_id.clone()),
                    ("secret_access_key", credential.secret_key.clone()),
                ];
                values.extend(credential.token.clone().map(|token| ("token", token)));
                values
            }
            Self::Google(provider) => vec![("bearer", provider.get_credential().await?.bearer.clone())],
            Self::Azure(provider, key) => match provider.get_credential().await?.as_ref() {
                AzureCredential::AccessKey(_) => return Ok(key.clone()),
                AzureCredential::BearerToken(token) => vec![("bearer_token", token.clone())],
                AzureCredential::SASToken(pairs) => {
                    let query = url::form_urlencoded::Serializer::new(String::new())
                        .extend_pairs(pairs)
                        .finish();
                    vec![("sas_key", query)]
                }
            },
            Self::Nobody => Vec::new(),
        };
        let values = values.into_iter();
        Ok(Secrets::new(
            values.map(|(name, value)| (name.to_string(), value)).collect(),
        ))
    }
}

impl StorePlace {
    fn kind(&self) -> &'static str {
        match self {
            Self::Amazon { .. } => "s3",
            Self::Google { .. } => "gs",
            Self::Azure { .. } => "abfss",
            Self::Web { .. } => "http",
        }
    }
}

/// Refuses options that the store does not know, and endpoints that the operator's credentials are not meant for.
fn check_options(place: &StorePlace, options: &StoreOptions, environment: &Environment) -> Result<()> {
    let (amazon, azure) = (
        matches!(place, StorePlace::Amazon { .. }),
        matches!(place, StorePlace::Azure { .. }),
    );
    for (name, is_set, is_known) in [
        ("endpoint", options.endpoint.is_some(), amazon || azure),
        ("region", options.region.is_some(), amazon),
        (
            "virtual_hosted_style",
            options.virtual_hosted_style.is_some(),
            amazon,
        ),
        (
            "skip_signature",
            options.skip_signature.is_some(),
            place.kind() != "http",
        ),
        ("account", options.account.is_some(), azure),
    ] {
        if is_set && !is_known {
            return Err(DataError::spec(format!(
                "store.{name} means nothing for a source of this kind"
            )));
        }
    }
    let Some(endpoint) = &options.endpoint else {
        return Ok(());
    };
    if !options.is_public() && !environment.allows(endpoint) {
        return Err(DataError::spec(format!(
            "the driver's credentials are not sent to {endpoint}, an endpoint that only the job names"
        ))
        .hint(format!(
            "the operator allows it where the driver runs, with {ENDPOINTS_VARIABLE}={endpoint} or as AWS_ENDPOINT_URL; \
             files that everybody may read need store.skip_signature = true"
        )));
    }
    Ok(())
}

type Built = (Arc<dyn ObjectStore>, BTreeMap<String, String>, Lender);

/// The settings of a builder that a worker is told, by the names of `object_store`.
pub(super) const AMAZON_SETTINGS: [AmazonS3ConfigKey; 8] = [
    AmazonS3ConfigKey::Region,
    AmazonS3ConfigKey::Endpoint,
    AmazonS3ConfigKey::S3Endpoint,
    AmazonS3ConfigKey::VirtualHostedStyleRequest,
    AmazonS3ConfigKey::SkipSignature,
    AmazonS3ConfigKey::RequestPayer,
    AmazonS3ConfigKey::S3Express,
    AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp),
];
pub(super) const GOOGLE_SETTINGS: [GoogleConfigKey; 2] =
    [GoogleConfigKey::SkipSignature, GoogleConfigKey::BaseUrl];
pub(super) const AZURE_SETTINGS: [AzureConfigKey; 5] = [
    AzureConfigKey::AccountName,
    AzureConfigKey::Endpoint,
    AzureConfigKey::SkipSignature,
    AzureConfigKey::UseEmulator,
    AzureConfigKey::Client(ClientConfigKey::AllowHttp),
];

fn amazon(bucket: &str, options: &StoreOptions, environment: &Environment) -> object_store::Result<Built> {
    let mut builder = AmazonS3Builder::new()
        .with_retry(retries())
        .with_client_options(client_options());
    for (name, value) in environment.with_prefix("AWS_") {
        if let Ok(key) = AmazonS3ConfigKey::from_str(&name) {
            builder = builder.with_config(key, value);
        }
    }
    builder = builder.with_bucket_name(bucket);
    if let Some(endpoint) = &options.endpoint {
        // The job's word comes before the environment's, which may say it in another variable.
        builder = builder
            .with_config(AmazonS3ConfigKey::S3Endpoint, endpoint)
            .with_config(AmazonS3ConfigKey::Endpoint, endpoint);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(is_virtual) = options.virtual_hosted_style {
        builder = builder.with_virtual_hosted_style_request(is_virtual);
    }
    if let Some(is_public) = options.skip_signature {
        builder = builder.with_skip_signature(is_public);
    }
    let value = |key| builder.get_config_value(&key);
    let endpoint = value(AmazonS3ConfigKey::S3Endpoint).or_else(|| value(AmazonS3ConfigKey::Endpoint));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder = builder.with_allow_http(true);
    }
    let is_public = builder
        .get_config_value(&AmazonS3ConfigKey::SkipSignature)
        .as_deref()
        == Some("true");
    let settings = AMAZON_SETTINGS
        .iter()
        .filter_map(|key| Some((key.as_ref().to_string(), builder.get_config_value(key)?)));
    let settings = settings.collect();
    let store = builder.build()?;
    let lender = match is_public {
        true => Lender::Nobody,
        false => Lender::Amazon(Arc::clone(store.credentials())),
    };
    Ok((Arc::new(store), settings, lender))
}

fn google(bucket: &str, options: &StoreOptions, environment: &Environment) -> object_store::Result<Built> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_retry(retries())
        .with_client_options(client_options());
    for (name, value) in environment.with_prefix("GOOGLE_") {
        if let Ok(key) = GoogleConfigKey::from_str(&name) {
            builder = builder.with_config(key, value);
        }
    }
    builder = builder.with_bucket_name(bucket);
    if let Some(is_public) = options.skip_signature {
        builder = builder.with_skip_signature(is_public);
    }
    let is_public = builder
        .get_config_value(&GoogleConfigKey::SkipSignature)
        .as_deref()
        == Some("true");
    let settings = GOOGLE_SETTINGS
        .iter()
        .filter_map(|key| Some((key.as_ref().to_string(), builder.get_config_value(key)?)));
    let settings = settings.collect();
    let store = builder.build()?;
    let lender = match is_public {
        true => Lender::Nobody,
        false => Lender::Google(Arc::clone(store.credentials())),
    };
    Ok((Arc::new(store), settings, lender))
}

fn azure(
    container: &str,
    account: Option<&String>,
    options: &StoreOptions,
    environment: &Environment,
) -> object_store::Result<Built> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_retry(retries())
        .with_client_options(client_options());
    for (name, value) in environment.with_prefix("AZURE_") {
        if let Ok(key) = AzureConfigKey::from_str(&name) {
            builder = builder.with_config(key, value);
        }
    }
    builder = builder.with_container_name(container);
    if let Some(account) = account.or(options.account.as_ref()) {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder
            .with_endpoint(endpoint.clone())
            .with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(is_public) = options.skip_signature {
        builder = builder.with_skip_signature(is_public);
    }
    let is_public = builder
        .get_config_value(&AzureConfigKey::SkipSignature)
        .as_deref()
        == Some("true");
    let settings = AZURE_SETTINGS
        .iter()
        .filter_map(|key| Some((key.as_ref().to_string(), builder.get_config_value(key)?)));
    let settings = settings.collect();
    let key = builder.get_config_value(&AzureConfigKey::AccessKey);
    let key = key.map(|key| ("access_key".to_string(), key));
    let store = builder.build()?;
    let lender = match is_public {
        true => Lender::Nobody,
        false => Lender::Azure(
            Arc::clone(store.credentials()),
            Secrets::new(key.into_iter().collect()),
        ),
    };
    Ok((Arc::new(store), settings, lender))
}

/// A web server: no settings, no credentials.
pub(super) fn web(origin: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    let store = HttpBuilder::new()
        .with_url(origin)
        .with_retry(retries())
        .with_client_options(client_options().with_allow_http(origin.starts_with("http://")))
        .build()?;
    Ok(Arc::new(store))
}

/// How often a request is tried again: a few times, and not for long.
pub(super) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: RETRIES_END,
    }
}

/// Bounds of every request to a store.
pub(super) fn client_options() -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(ANSWER)
}
