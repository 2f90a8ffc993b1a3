//! One HTTP call, its answer read as MLflow means it, and how often it is repeated.

use std::fmt;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, Url, header};
use serde::Deserialize;
use serde_json::Value;

use super::{Bounds, Credentials};
use crate::entities::Actor;
use crate::error::TrackingError;
use crate::store::Result;

mod fault;
mod tries;

pub(super) use fault::Fault;

/// A server, and how it is spoken to.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    base: Url,
    credentials: Credentials,
    pub(super) bounds: Bounds,
}

/// What is asked. Kept apart from the request, which can be sent only once.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    by: Option<Actor>,
}

/// What a repeated call came to.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: Result<Value>,
    /// An earlier attempt may have been carried out, so "it is gone already" may be this call's own doing.
    pub(super) maybe_done: bool,
}

impl Call {
    /// Returns a call; `path` is below `/api/2.0/`.
    pub(super) fn new(method: Method, path: &str) -> Self {
        let segments = ["api", "2.0"].into_iter().chain(path.split('/'));
        Call {
            method,
            segments: segments.map(str::to_owned).collect(),
            query: Vec::new(),
            body: None,
            by: None,
        }
    }

    pub(super) fn get(path: &str) -> Self {
        Call::new(Method::GET, path)
    }

    pub(super) fn post(path: &str, body: Value) -> Self {
        Call::new(Method::POST, path).body(body)
    }

    /// Adds one segment to the path: an id or a key, which may hold any character.
    pub(super) fn segment(mut self, segment: &str) -> Self {
        self.segments.push(segment.to_owned());
        self
    }

    pub(super) fn query(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.query.push((key, value.to_string()));
        self
    }

    pub(super) fn maybe_query(self, key: &'static str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn by(mut self, by: &Actor) -> Self {
        self.by = Some(by.clone());
        self
    }

    fn describe(&self) -> String {
        format!("{} /{}", self.method, self.segments.join("/"))
    }
}

impl Http {
    pub(super) fn new(
        mut base: Url,
        mut credentials: Credentials,
        bounds: Bounds,
        ca_pem: Option<&str>,
    ) -> Result<Self> {
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(TrackingError::Unsupported {
                message: format!("{base} is no tracking server: expected http://… or https://…"),
            });
        }
        // Credentials in the URI would show up in every message about it.
        if !base.username().is_empty() {
            let decode = |text: &str| {
                percent_encoding::percent_decode_str(text)
                    .decode_utf8_lossy()
                    .into_owned()
            };
            if matches!(credentials, Credentials::None | Credentials::Withheld(_)) {
                credentials = Credentials::Basic {
                    user: decode(base.username()),
                    password: decode(base.password().unwrap_or_default()),
                };
            }
            let cleared = base.set_username("").and_then(|()| base.set_password(None));
            cleared.expect("a URI with a host can lose its user");
        }
        base.set_query(None);
        base.set_fragment(None);
        let failed = |error| TrackingError::storage("setting up the HTTP client", error);
        let mut client = Client::builder()
            .connect_timeout(bounds.connect)
            .user_agent(concat!("rookery/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = ca_pem {
            let authority = Certificate::from_pem(pem.as_bytes()).map_err(failed)?;
            client = client
                .tls_built_in_root_certs(false)
                .add_root_certificate(authority);
        }
        let client = client.build().map_err(failed)?;
        Ok(Http {
            client,
            base,
            credentials,
            bounds,
        })
    }

    /// Why the server was not shown credentials that there are.
    fn withheld(&self) -> Option<&str> {
        match &self.credentials {
            Credentials::Withheld(reason) => Some(reason),
            _ => None,
        }
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Returns a request to a path below the server's address, with credentials.
    pub(super) fn request(&self, method: Method, segments: &[String]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http address has a path")
            .pop_if_empty()
            .extend(segments);
        let request = self.client.request(method, url).timeout(self.bounds.call);
        match &self.credentials {
            Credentials::None | Credentials::Withheld(_) => request,
            Credentials::Bearer(token) => request.bearer_auth(token),
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
        }
    }

    /// Makes the call, repeating it while the server cannot be reached, and reads the answer.
    pub(super) async fn call<T: for<'de> Deserialize<'de>>(&self, call: &Call) -> Result<T> {
        let value = self.answer(call).await.result?;
        self.read(call, value)
    }

    /// Makes a call that needs no answer.
    pub(super) async fn tell(&self, call: &Call) -> Result<()> {
        self.answer(call).await.result.map(drop)
    }

    /// Removes something. If a lost answer had to be asked for again, finding it gone is success.
    pub(super) async fn remove(&self, call: &Call) -> Result<()> {
        let answer = self.answer(call).await;
        match answer.result {
            Err(TrackingError::NotFound { .. }) if answer.maybe_done => Ok(()),
            result => result.map(drop),
        }
    }

    pub(super) async fn answer(&self, call: &Call) -> Answer {
        let mut tries = self.tries();
        loop {
            let fault = match self.once(call).await {
                Ok(value) => {
                    return Answer {
                        result: Ok(value),
                        maybe_done: tries.maybe_done,
                    };
                }
                Err(fault) => fault,
            };
            if let Err(error) = tries.pause_after(fault).await {
                return Answer {
                    result: Err(error),
                    maybe_done: tries.maybe_done,
                };
            }
        }
    }

    /// Makes the call once.
    pub(super) async fn once(&self, call: &Call) -> std::result::Result<Value, Fault> {
        let mut request = self
            .request(call.method.clone(), &call.segments)
            .query(&call.query);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(by) = &call.by {
            for (name, text) in [("X-Rookery-User", &by.user), ("X-Rookery-Reason", &by.reason)] {
                if !text.is_empty() {
                    request = request.header(name, utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
                }
            }
        }
        let what = call.describe();
        let response = self.send(request, &what).await?;
        let bytes = response.bytes().await.map_err(|error| self.lost(&what, &error))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&bytes).map_err(|error| Fault::last(self.unreadable(&what, &error)))
    }

    /// Sends a request and turns every answer that is no success into an error.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        what: &str,
    ) -> std::result::Result<Response, Fault> {
        let response = request.send().await.map_err(|error| self.lost(what, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        // The status alone says enough if the body is lost.
        let body = response.bytes().await.unwrap_or_default();
        Err(self.refused(what, status, after, &body))
    }

    pub(super) fn read<T: for<'de> Deserialize<'de>>(&self, call: &Call, value: Value) -> Result<T> {
        T::deserialize(value).map_err(|error| self.unreadable(&call.describe(), &error))
    }

    fn unreadable(&self, what: &str, error: &serde_json::Error) -> TrackingError {
        TrackingError::Unsupported {
            message: format!(
                "{} answered {what} with something else than MLflow's protocol ({error}): is it a tracking server?",
                self.base
            ),
        }
    }
}
