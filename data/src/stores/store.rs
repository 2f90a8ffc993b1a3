//! [`Store`]: an object store as the driver reaches it, and what a worker needs to reach it too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::aws::AwsCredentialProvider;
use object_store::azure::{AzureCredential, AzureCredentialProvider};
use object_store::gcp::GcpCredentialProvider;

use super::address::StorePlace;
use super::announcement::Grant;
use super::environment::{ENDPOINTS_VARIABLE, Environment};
use super::options::StoreOptions;
use super::providers::{amazon, azure, google, web};
use super::secrets::Secrets;
use crate::error::{DataError, Result};

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
pub(super) enum Lender {
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
