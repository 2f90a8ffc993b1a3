//! [`TrackingHint`]: what MLflow's own clients need to be told, so that they use a driver as their server.

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
    #[serde(skip)]
    token: Option<String>,
}

impl TrackingHint {
    pub(crate) fn new(driver: &Url, token: Option<&KnownToken>) -> Self {
        Self {
            tracking_uri: listen::display(driver).to_string(),
            token_file: token
                .and_then(|known| known.file.as_ref())
                .map(|file| file.display().to_string()),
            token: token.map(KnownToken::in_shell),
        }
    }

    /// The file that the driver's token is in, if it is in one.
    pub(crate) fn token_file(&self) -> Option<&str> {
        self.token_file.as_deref()
    }

    /// The line for a shell.
    pub(crate) fn in_shell(&self) -> String {
        let uri = &self.tracking_uri;
        match &self.token {
            Some(token) => format!("export MLFLOW_TRACKING_URI={uri} MLFLOW_TRACKING_TOKEN={token}"),
            None => format!("export MLFLOW_TRACKING_URI={uri}"),
        }
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
            assert_eq!(TrackingHint::new(&url, known.as_ref()).in_shell(), expected);
        }
    }
}
