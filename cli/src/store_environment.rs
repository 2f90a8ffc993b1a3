//! What this process' environment says about object stores. Nothing else of the program reads it.

use rookery_data::stores::Environment;

/// The variables of object stores (`AWS_...`, `GOOGLE_...`, `AZURE_...`, `ROOKERY_S3_ENDPOINTS`); others, and those that
/// are no text, are left out.
pub(crate) fn store_environment() -> Environment {
    let variables = std::env::vars_os();
    let texts =
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Environment::new(texts)
}
