//! [`Environment`]: what the operator gave the driver to read object stores with.

use std::collections::BTreeMap;
use std::fmt;

/// The prefixes of the variables that object stores are configured by.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
/// Endpoints, beside `AWS_ENDPOINT_URL`, to which the driver's credentials may be sent; separated by commas.
pub(super) const ENDPOINTS_VARIABLE: &str = "ROOKERY_S3_ENDPOINTS";
/// The variables that name the operator's own endpoint.
const OWN_ENDPOINTS: [&str; 4] = [
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
];

/// The variables that tell how object stores are reached, credentials among them.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Of these variables those that object stores are configured by.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_ours =
            |name: &str| name == ENDPOINTS_VARIABLE || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let variables = variables.into_iter();
        Self {
            variables: variables
                .filter(|(name, value)| is_ours(name) && !value.trim().is_empty())
                .collect(),
        }
    }

    /// No variables: only files and public stores can be read.
    pub fn none() -> Self {
        Self::default()
    }

    /// The variables of one kind of store, their names in lower case.
    pub(super) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (String, &String)> {
        let variables = self.variables.iter();
        variables
            .filter(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
    }

    /// Whether the operator lets the driver's credentials be used at `endpoint`.
    pub(super) fn allows(&self, endpoint: &str) -> bool {
        let bare = |text: &str| text.trim().trim_end_matches('/').to_ascii_lowercase();
        let own = OWN_ENDPOINTS.iter().filter_map(|name| self.variables.get(*name));
        let listed = self.variables.get(ENDPOINTS_VARIABLE).into_iter();
        let listed = listed.flat_map(|list| list.split(','));
        own.map(String::as_str)
            .chain(listed)
            .any(|allowed| !allowed.trim().is_empty() && bare(allowed) == bare(endpoint))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter();
        Environment::new(variables.map(|(name, value)| (name.to_string(), value.to_string())))
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!(
            "{:?}",
            environment(&[("AWS_SECRET_ACCESS_KEY", "s3cr3t"), ("PATH", "/bin")])
        );
        assert_eq!(shown, "{\"AWS_SECRET_ACCESS_KEY\"}");
    }

    #[test]
    fn credentials_go_to_endpoints_of_the_operator_only() {
        let known = environment(&[
            ("AWS_ENDPOINT_URL", "http://minio:9000/"),
            (ENDPOINTS_VARIABLE, "https://a.example, https://b.example"),
        ]);
        for endpoint in ["http://minio:9000", "https://a.example/", "https://B.example"] {
            assert!(known.allows(endpoint), "{endpoint}");
        }
        for endpoint in ["http://minio:9001", "https://a.example.evil", ""] {
            assert!(!known.allows(endpoint), "{endpoint}");
        }
        assert!(!Environment::none().allows("http://minio:9000"));
    }
}
