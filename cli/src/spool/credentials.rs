//! What other tracking servers are shown of this environment's credentials. A job file names any server it likes: only
//! those that whoever started the driver named get to see them.

use rookery_tracking::rest::Credentials;
use url::{Origin, Url};

/// MLflow's variables.
const URI_VARIABLE: &str = "MLFLOW_TRACKING_URI";
const USER_VARIABLE: &str = "MLFLOW_TRACKING_USERNAME";
const PASSWORD_VARIABLE: &str = "MLFLOW_TRACKING_PASSWORD";
const TOKEN_VARIABLE: &str = "MLFLOW_TRACKING_TOKEN";
/// More servers that the credentials are for: URLs with commas between them.
const FOR_VARIABLE: &str = "ROOKERY_TRACKING_TOKEN_FOR";

/// What the server at `uri` is shown.
pub(super) fn of_environment(uri: &Url) -> Credentials {
    of(uri, |name| {
        std::env::var(name).ok().filter(|value| !value.trim().is_empty())
    })
}

fn of(uri: &Url, variable: impl Fn(&str) -> Option<String>) -> Credentials {
    let credentials = match (variable(USER_VARIABLE), variable(TOKEN_VARIABLE)) {
        (Some(user), _) => Credentials::Basic {
            user,
            password: variable(PASSWORD_VARIABLE).unwrap_or_default(),
        },
        (None, Some(token)) => Credentials::Bearer(token),
        (None, None) => return Credentials::None,
    };
    let servers = [variable(URI_VARIABLE), variable(FOR_VARIABLE)];
    let servers: Vec<Origin> = servers
        .iter()
        .flatten()
        .flat_map(|servers| servers.split(','))
        .filter_map(|server| Url::parse(server.trim()).ok())
        .map(|server| server.origin())
        .collect();
    match servers.contains(&uri.origin()) {
        true => credentials,
        false => Credentials::Withheld(format!(
            "the driver's {TOKEN_VARIABLE} is only for the server that its {URI_VARIABLE} names, or {FOR_VARIABLE}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_the_servers_that_the_environment_names() {
        let environment = |name: &str| {
            let value = match name {
                URI_VARIABLE => "https://mlflow.example/prefix",
                FOR_VARIABLE => "http://127.0.0.1:5000, https://other.example:8443",
                TOKEN_VARIABLE => "s3cret",
                _ => return None,
            };
            Some(value.to_string())
        };
        let shown = |uri: &str| of(&Url::parse(uri).unwrap(), environment);
        for uri in [
            "https://mlflow.example",
            "https://mlflow.example:443/elsewhere",
            "http://127.0.0.1:5000",
            "https://other.example:8443/x",
        ] {
            assert_eq!(shown(uri), Credentials::Bearer("s3cret".to_string()), "{uri}");
        }
        for uri in [
            "http://mlflow.example",
            "https://mlflow.example:444",
            "https://mlflow.example.evil.example",
            "https://other.example",
            "http://127.0.0.1:5001",
        ] {
            let credentials = shown(uri);
            assert!(matches!(credentials, Credentials::Withheld(_)), "{uri}");
            assert!(!format!("{credentials:?}").contains("s3cret"));
        }
    }

    #[test]
    fn without_credentials_nothing_is_withheld_and_a_password_is_kept_back_too() {
        let uri = Url::parse("http://127.0.0.1:5000").unwrap();
        assert_eq!(of(&uri, |_| None), Credentials::None);
        let user = |name: &str| (name == USER_VARIABLE).then(|| "ada".to_string());
        assert!(matches!(of(&uri, user), Credentials::Withheld(_)));
        let both = |name: &str| match name {
            USER_VARIABLE => Some("ada".to_string()),
            URI_VARIABLE => Some("http://127.0.0.1:5000/".to_string()),
            _ => None,
        };
        assert!(matches!(of(&uri, both), Credentials::Basic { .. }));
    }
}
