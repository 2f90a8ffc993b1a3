//! [`EndpointsClient`]: what this program asks of a driver's serving endpoints, over the REST that everybody uses.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Method, RequestBuilder, Response};
use rookery_proto::{ErrorClass, Failure, Token};
use rookery_tracking::Actor;
use serde_json::Value;
use url::Url;

use super::{CALL_TIMEOUT, CONNECT_TIMEOUT};
use crate::args::Places;
use crate::diagnostic::{config, internal};
use crate::{listen, token, trust};

/// Where endpoints are made, changed and looked at.
const MANAGED_AT: [&str; 3] = ["api", "2.0", "serving-endpoints"];
/// Where they answer.
const ASKED_AT: &str = "serving-endpoints";
/// The name of the header that says who answered, and of the one that says which version that is.
const SERVED_HEADER: &str = "served-model-name";
const VERSION_HEADER: &str = "x-rookery-model-version";
/// How long a change may take to take effect, and how often is looked.
const SETTLE_WITHIN: Duration = Duration::from_secs(120);
const SETTLE_POLL: Duration = Duration::from_millis(100);

/// A client of one driver's endpoints.
#[derive(Debug)]
pub(crate) struct EndpointsClient {
    url: Url,
    http: reqwest::Client,
    token: Option<Token>,
}

/// What an endpoint said of rows.
#[derive(Debug)]
pub(crate) struct EndpointAnswer {
    pub(crate) served: String,
    pub(crate) version: String,
    pub(crate) body: Value,
}

impl EndpointsClient {
    /// A client of the driver that flags, environment or state directory name.
    pub(crate) fn of(places: &Places) -> Result<Self, Failure> {
        let state = places.state_dir()?;
        let url = state.find_driver(places.driver().as_deref())?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .user_agent(concat!("rookery/", env!("CARGO_PKG_VERSION")));
        let wrong = |e: reqwest::Error| internal(format!("the HTTP client can't be set up: {e}"));
        if let Some(ca) = trust::of_client(places, &state, &url)? {
            let ca = Certificate::from_pem(ca.pem().as_bytes()).map_err(wrong)?;
            http = http.tls_built_in_root_certs(false).add_root_certificate(ca);
        }
        Ok(Self {
            http: http.build().map_err(wrong)?,
            token: token::of_client(&state)?,
            url,
        })
    }

    /// Every endpoint.
    pub(crate) async fn list(&self) -> Result<Vec<Value>, Failure> {
        let mut answer = self.manage(Method::GET, &[], None, None).await?;
        match answer["endpoints"].take() {
            Value::Array(endpoints) => Ok(endpoints),
            _ => Ok(Vec::new()),
        }
    }

    /// One endpoint in full.
    pub(crate) async fn get(&self, name: &str) -> Result<Value, Failure> {
        self.manage(Method::GET, &[name], None, None).await
    }

    /// Changes something, and waits until it has taken effect.
    ///
    /// # Errors
    /// It is refused, or does not take effect, and why.
    pub(crate) async fn change(
        &self,
        method: Method,
        name: &str,
        below: &[&str],
        body: &Value,
        by: &Actor,
    ) -> Result<Value, Failure> {
        let endpoint = self.manage(method, below, Some(body), Some(by)).await?;
        self.settled(name, endpoint).await
    }

    async fn settled(&self, name: &str, mut endpoint: Value) -> Result<Value, Failure> {
        let wait = async {
            while endpoint["state"]["config_update"] == "IN_PROGRESS" {
                tokio::time::sleep(SETTLE_POLL).await;
                endpoint = self.get(name).await?;
            }
            Ok(endpoint)
        };
        let seconds = SETTLE_WITHIN.as_secs();
        let endpoint = tokio::time::timeout(SETTLE_WITHIN, wait)
            .await
            .unwrap_or_else(|_| {
                Err(Failure::new(
                ErrorClass::TimedOut,
                format!("the change did not take effect within {seconds} s"),
            )
            .at(name)
            .hint("`rookery endpoints show` tells how far it is, `rookery endpoints rollback` takes it back"))
            })?;
        match endpoint["state"]["config_update"].as_str() {
            Some("UPDATE_FAILED") => {
                let why = endpoint["update_message"]
                    .as_str()
                    .unwrap_or("the driver does not say why");
                Err(config(format!("the configuration did not take effect: {why}")).at(name))
            }
            _ => Ok(endpoint),
        }
    }

    /// Deletes an endpoint.
    pub(crate) async fn delete(&self, name: &str, by: &Actor) -> Result<(), Failure> {
        self.manage(Method::DELETE, &[name], None, Some(by))
            .await
            .map(|_| ())
    }

    /// The newest things that were done to an endpoint, newest first.
    pub(crate) async fn events(&self, name: &str, most: u32) -> Result<Vec<Value>, Failure> {
        let request = self.request(Method::GET, &[&MANAGED_AT[..], &[name, "events"]].concat())?;
        let mut answer = self.sent(request.query(&[("max_results", most)])).await?;
        match answer["events"].take() {
            Value::Array(events) => Ok(events),
            _ => Ok(Vec::new()),
        }
    }

    /// Asks an endpoint, or one of the entities that it serves.
    ///
    /// # Errors
    /// Class data: the rows can't be scored.
    pub(crate) async fn query(
        &self,
        name: &str,
        served: Option<&str>,
        content_type: &str,
        rows: Vec<u8>,
    ) -> Result<EndpointAnswer, Failure> {
        let path = match served {
            None => vec![ASKED_AT, name, "invocations"],
            Some(served) => vec![ASKED_AT, name, "served-models", served, "invocations"],
        };
        let request = self.request(Method::POST, &path)?;
        let request = request.header("content-type", content_type).body(rows);
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        let header = |name| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_string()
        };
        let (served, version) = (header(SERVED_HEADER), header(VERSION_HEADER));
        let body = self
            .read(response)
            .await
            .map_err(|failure| match served.is_empty() {
                true => failure,
                // It got as far as a model, so what is refused are the rows.
                false => Failure {
                    class: ErrorClass::Data,
                    ..failure
                },
            })?;
        Ok(EndpointAnswer {
            served,
            version,
            body,
        })
    }

    async fn manage(
        &self,
        method: Method,
        below: &[&str],
        body: Option<&Value>,
        by: Option<&Actor>,
    ) -> Result<Value, Failure> {
        let mut request = self.request(method, &[&MANAGED_AT[..], below].concat())?;
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(by) = by {
            for (name, text) in [("x-rookery-user", &by.user), ("x-rookery-reason", &by.reason)] {
                if !text.is_empty() {
                    request = request.header(name, utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
                }
            }
        }
        self.sent(request).await
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, Failure> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| config("no driver URL").at(self.url.to_string()))?
            .pop_if_empty()
            .extend(path);
        let request = self.http.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        })
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        self.read(response).await
    }

    async fn read(&self, response: Response) -> Result<Value, Failure> {
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.lost(&error))?;
        let value: Result<Value, _> = serde_json::from_slice(&body);
        if status.is_success() {
            return value.map_err(|error| internal(format!("the driver's answer can't be read: {error}")));
        }
        let message = value
            .ok()
            .and_then(|value| value["message"].as_str().map(str::to_string));
        let message = message.unwrap_or_else(|| format!("the driver answered with {status}"));
        let failure = |class| Failure::new(class, message.clone());
        Err(match status.as_u16() {
            401 => rookery_proto::token::refusal("driver").at(self.place()),
            404 => failure(ErrorClass::Config).hint("`rookery endpoints list` shows what there is"),
            429 | 503 => failure(ErrorClass::TimedOut),
            400..=499 => failure(ErrorClass::Config),
            _ => failure(ErrorClass::Internal),
        })
    }

    fn lost(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        if error.is_timeout() {
            let seconds = CALL_TIMEOUT.as_secs();
            let message = format!("the driver did not answer within {seconds} s");
            return Failure::new(ErrorClass::TimedOut, message).at(self.place());
        }
        Failure::new(ErrorClass::Unreachable, format!("no driver answers: {cause}"))
            .at(self.place())
            .hint("start a cluster with `rookery up`, or name one with --driver URL")
    }

    fn place(&self) -> &str {
        listen::display(&self.url)
    }
}
