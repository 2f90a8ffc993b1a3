//! [`StoreOptions`]: what a job says about the store of a source. Job files are kept with every run, so secrets are
//! refused here.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// `[data.sources.NAME.store]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreOptions {
    /// Where an S3-compatible or Azure-compatible store answers, instead of the provider's own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// S3: the bucket's region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// S3: whether the bucket is part of the host name rather than of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_hosted_style: Option<bool>,
    /// Whether the files are read without credentials, as everybody may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_signature: Option<bool>,
    /// Azure: the storage account, where neither the path nor the environment names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl StoreOptions {
    /// Whether credentials are left out.
    pub(super) fn is_public(&self) -> bool {
        self.skip_signature == Some(true)
    }
}

const KEYS: &[&str] = &[
    "endpoint",
    "region",
    "virtual_hosted_style",
    "skip_signature",
    "account",
];
/// What the names of secrets are made of.
const SECRET_WORDS: [&str; 7] = [
    "key",
    "secret",
    "token",
    "password",
    "credential",
    "sas",
    "service_account",
];

impl<'de> Deserialize<'de> for StoreOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Options;
        impl<'de> Visitor<'de> for Options {
            type Value = StoreOptions;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of store options")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StoreOptions, A::Error> {
                let mut options = StoreOptions::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "endpoint" => options.endpoint = Some(map.next_value()?),
                        "region" => options.region = Some(map.next_value()?),
                        "virtual_hosted_style" => options.virtual_hosted_style = Some(map.next_value()?),
                        "skip_signature" => options.skip_signature = Some(map.next_value()?),
                        "account" => options.account = Some(map.next_value()?),
                        other => return Err(refused(other)),
                    }
                }
                Ok(options)
            }
        }
        deserializer.deserialize_map(Options)
    }
}

/// Names the key, never its value.
fn refused<E: de::Error>(key: &str) -> E {
    let lower = key.to_ascii_lowercase();
    if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
        return E::custom(format!(
            "\"{key}\" is a secret, which every run's record would show: set it where the driver runs, in the \
             environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, GOOGLE_..., AZURE_...)"
        ));
    }
    E::unknown_field(key, KEYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_refused_by_name_and_not_repeated() {
        for key in ["secret_access_key", "aws_session_token", "sas", "Access_Key_Id"] {
            let error = serde_json::from_str::<StoreOptions>(&format!("{{\"{key}\": \"hush\"}}"));
            let error = error.unwrap_err().to_string();
            assert!(
                error.contains("is a secret") && !error.contains("hush"),
                "{error}"
            );
        }
        let error = serde_json::from_str::<StoreOptions>("{\"colour\": 1}").unwrap_err();
        assert!(
            error.to_string().contains("expected one of `endpoint`"),
            "{error}"
        );
    }
}
