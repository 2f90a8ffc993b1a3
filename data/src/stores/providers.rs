//! The stores of each provider as the driver reaches them: by the operator's environment and the job's options.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{ClientConfigKey, ObjectStore};

use super::bounds::{client_options, retries};
use super::environment::Environment;
use super::options::StoreOptions;
use super::secrets::Secrets;
use super::store::Lender;

/// A client, the settings that a worker is told, and where credentials come from.
pub(super) type Built = (Arc<dyn ObjectStore>, BTreeMap<String, String>, Lender);

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

pub(super) fn amazon(
    bucket: &str,
    options: &StoreOptions,
    environment: &Environment,
) -> object_store::Result<Built> {
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
    let settings = settings(&AMAZON_SETTINGS, |key| builder.get_config_value(key));
    let store = builder.build()?;
    let lender = match is_public {
        true => Lender::Nobody,
        false => Lender::Amazon(Arc::clone(store.credentials())),
    };
    Ok((Arc::new(store), settings, lender))
}

/// Those of the settings that have a value, by the names of `object_store`.
fn settings<K: AsRef<str>>(keys: &[K], value: impl Fn(&K) -> Option<String>) -> BTreeMap<String, String> {
    let known = |key: &K| Some((key.as_ref().to_string(), value(key)?));
    keys.iter().filter_map(known).collect()
}

pub(super) fn google(
    bucket: &str,
    options: &StoreOptions,
    environment: &Environment,
) -> object_store::Result<Built> {
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
    let settings = settings(&GOOGLE_SETTINGS, |key| builder.get_config_value(key));
    let store = builder.build()?;
    let lender = match is_public {
        true => Lender::Nobody,
        false => Lender::Google(Arc::clone(store.credentials())),
    };
    Ok((Arc::new(store), settings, lender))
}

pub(super) fn azure(
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
    let settings = settings(&AZURE_SETTINGS, |key| builder.get_config_value(key));
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
