//! [`TrackingHint`]: what MLflow's own clients need to be told, so that they use a driver as their server.

use std::path::Path;

use serde::Serialize;
use url::Url;

use crate::listen;
use crate::token::KnownToken;

/// A driver as MLflow's clients find it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TrackingHint {
    /// For `MLFLOW_TRACKING_URI`.
    tracking_uri: String,
    /// Its content is for `MLFLOW_TRACKING_TOKEN`; `null` when no token is asked for, or when it came from the
    /// environment.
    token_file: Option<String>,
    /// For `MLFLOW_TRACKING_SERVER_CERT_PATH`; `null` when the driver is not on TLS.
    ca_file: Option<String>,
    #[serde(skip)]
    token: Option<String>,
}

impl TrackingHint {
    pub(crate) fn new(driver: &Url, token: Option<&KnownToken>, ca_file: Option<&Path>) -> Self {
        Self {
            tracking_uri: listen::display(driver).to_string(),
            token_file: token
                .and_then(|known| known.file.as_ref())
                .map(|file| file.display().to_string()),
            ca_file: ca_file.map(|file| file.display().to_string()),
            token: token.map(KnownToken::in_shell),
        }
    }

    /// The file that the driver's token is in, if it is in one.
    pub(crate) fn token_file(&self) -> Option<&str> {
        self.token_file.as_deref()
    }

    /// The line for a shell.
    pub(crate) fn in_shell(&self) -> String {
        let mut line = format!("export MLFLOW_TRACKING_URI={}", self.tracking_uri);
        if let Some(token) = &self.token {
            line.push_str(&format!(" MLFLOW_TRACKING_TOKEN={token}"));
        }
        if let Some(file) = &self.ca_file {
            line.push_str(&format!(" MLFLOW_TRACKING_SERVER_CERT_PATH='{file}'"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use rookery_proto::Token;

    use super::*;

    #[test]
    fn the_line_sets_what_mlflow_reads_and_never_shows_the_token() {
        let url = Url::parse("http://127.0.0.1:7070").unwrap();
        let token = Token::new("s3cret").unwrap();
        let file = Some("/home/ada/.rookery/token".into());
        for (known, expected) in [
            (None, "export MLFLOW_TRACKING_URI=http://127.0.0.1:7070"),
            (
                Some(KnownToken {
                    token: token.clone(),
                    file,
                }),
                "export MLFLOW_TRACKING_URI=http://127.0.0.1:7070 \
                 MLFLOW_TRACKING_TOKEN=\"$(cat '/home/ada/.rookery/token')\"",
            ),
            (
                Some(KnownToken { token, file: None }),
                "export MLFLOW_TRACKING_URI=http://127.0.0.1:7070 MLFLOW_TRACKING_TOKEN=\"$ROOKERY_TOKEN\"",
            ),
        ] {
            assert_eq!(TrackingHint::new(&url, known.as_ref(), None).in_shell(), expected);
        }
        let ca = Path::new("/home/ada/.rookery/tls/ca.pem");
        assert_eq!(
            TrackingHint::new(&url, None, Some(ca)).in_shell(),
            "export MLFLOW_TRACKING_URI=http://127.0.0.1:7070 \
             MLFLOW_TRACKING_SERVER_CERT_PATH='/home/ada/.rookery/tls/ca.pem'"
        );
    }
}
