//! A store as a worker reaches it: by what the driver granted, never by anything of the worker's own environment.

use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ObjectStore, StaticCredentialProvider};

use super::address::{Address, StorePlace};
use super::announcement::Grant;
use super::bounds::{client_options, retries};
use super::providers::{AMAZON_SETTINGS, AZURE_SETTINGS, GOOGLE_SETTINGS, web};
use super::secrets::Secrets;
use crate::error::{DataError, Result};

/// The granted store.
pub(super) fn connect(grant: &Grant) -> Result<Arc<dyn ObjectStore>> {
    let Address::Store { place, .. } = Address::parse(&grant.url)? else {
        return Err(DataError::internal(format!("{} is no object store", grant.url)));
    };
    let connected = match &place {
        StorePlace::Amazon { bucket } => amazon(bucket, grant),
        StorePlace::Google { bucket } => google(bucket, grant),
        StorePlace::Azure { container, account } => azure(container, account.as_ref(), grant),
        StorePlace::Web { origin } => web(origin),
    };
    connected.map_err(|e| DataError::internal(format!("{} can't be used: {e}", grant.url)))
}

/// The granted settings that are allowed: others are left out.
fn settings<K: FromStr + PartialEq>(grant: &Grant, allowed: &[K]) -> Vec<(K, String)> {
    let settings = grant.settings.iter();
    settings
        .filter_map(|(name, value)| Some((K::from_str(name).ok()?, value.clone())))
        .filter(|(key, _)| allowed.contains(key))
        .collect()
}

fn secret(secrets: &Secrets, name: &str) -> String {
    secrets.get(name).cloned().unwrap_or_default()
}

fn amazon(bucket: &str, grant: &Grant) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::new()
        .with_retry(retries())
        .with_client_options(client_options())
        .with_bucket_name(bucket);
    for (key, value) in settings::<AmazonS3ConfigKey>(grant, &AMAZON_SETTINGS) {
        builder = builder.with_config(key, value);
    }
    // Without these the builder would look for credentials on this machine.
    let credential = AwsCredential {
        key_id: secret(&grant.secrets, "access_key_id"),
        secret_key: secret(&grant.secrets, "secret_access_key"),
        token: grant.secrets.get("token").cloned(),
    };
    builder = builder
        .with_skip_signature(grant.secrets.is_empty())
        .with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    Ok(Arc::new(builder.build()?))
}

fn google(bucket: &str, grant: &Grant) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_retry(retries())
        .with_client_options(client_options())
        .with_bucket_name(bucket);
    for (key, value) in settings::<GoogleConfigKey>(grant, &GOOGLE_SETTINGS) {
        builder = builder.with_config(key, value);
    }
    let credential = GcpCredential {
        bearer: secret(&grant.secrets, "bearer"),
    };
    builder = builder
        .with_skip_signature(grant.secrets.is_empty())
        .with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    Ok(Arc::new(builder.build()?))
}

fn azure(
    container: &str,
    account: Option<&String>,
    grant: &Grant,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_retry(retries())
        .with_client_options(client_options())
        .with_container_name(container);
    if let Some(account) = account {
        builder = builder.with_account(account);
    }
    for (key, value) in settings::<AzureConfigKey>(grant, &AZURE_SETTINGS) {
        builder = builder.with_config(key, value);
    }
    for (name, key) in [
        ("access_key", AzureConfigKey::AccessKey),
        ("bearer_token", AzureConfigKey::Token),
        ("sas_key", AzureConfigKey::SasKey),
    ] {
        if let Some(value) = grant.secrets.get(name) {
            builder = builder.with_config(key, value);
        }
    }
    builder = builder.with_skip_signature(grant.secrets.is_empty());
    Ok(Arc::new(builder.build()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn grant(url: &str, settings: &[(&str, &str)], secrets: &[(&str, &str)]) -> Grant {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect()
        };
        Grant {
            url: url.to_string(),
            settings: map(settings),
            secrets: Secrets::new(map(secrets)),
        }
    }

    #[test]
    fn only_named_settings_are_taken() {
        let settings = settings::<AmazonS3ConfigKey>(
            &grant(
                "s3://b",
                &[
                    ("aws_region", "eu"),
                    ("allow_invalid_certificates", "true"),
                    ("proxy_url", "http://x"),
                ],
                &[],
            ),
            &AMAZON_SETTINGS,
        );
        assert_eq!(settings, [(AmazonS3ConfigKey::Region, "eu".to_string())]);
    }

    #[test]
    fn every_kind_of_store_is_reached_by_what_was_granted() {
        for grant in [
            grant(
                "s3://b",
                &[("aws_region", "eu")],
                &[("access_key_id", "a"), ("secret_access_key", "b")],
            ),
            grant("s3://b", &[], &[]),
            grant("gs://b", &[], &[("bearer", "t")]),
            grant(
                "az://c",
                &[("azure_storage_account_name", "a")],
                &[("access_key", "YQ==")],
            ),
            grant("abfss://c@a.dfs.core.windows.net", &[], &[("bearer_token", "t")]),
            grant("https://h", &[], &[]),
        ] {
            connect(&grant).unwrap();
        }
        assert!(connect(&grant("/etc", &[], &[])).is_err());
    }
}
