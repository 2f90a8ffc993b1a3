//! A tracking server in a few lines, which does what it is asked, or what the script says instead.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rookery_tracking::rest::{Bounds, Credentials, RestStore, Url};
use serde_json::{Value, json};

/// Something that goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Answered with this status, and not done.
    Status(u16),
    /// Refused as MLflow refuses, and not done.
    Refused,
    /// Not done, and the connection closes amid the answer.
    LostBefore,
    /// Done, but the connection closes amid the answer.
    LostAfter,
}

/// What the server has.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Method and path of every request, and its body.
    pub(crate) requests: Vec<(String, Value)>,
    pub(crate) script: VecDeque<Trouble>,
    /// For requests to this path, as long as it is set.
    pub(crate) always: Option<(String, Trouble)>,
    pub(crate) experiments: Vec<Value>,
    pub(crate) runs: Vec<Value>,
    pub(crate) models: Vec<Value>,
    pub(crate) files: BTreeMap<String, Bytes>,
}

pub(crate) type Shared = Arc<Mutex<Records>>;

/// A server that stops with this value.
pub(crate) struct Server {
    pub(crate) records: Shared,
    pub(crate) uri: Url,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Server::on(listener, Shared::default()).await
    }

    pub(crate) async fn on(listener: tokio::net::TcpListener, records: Shared) -> Self {
        let uri = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&records));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { records, uri, task }
    }

    pub(crate) fn script(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.records.lock().unwrap().script.extend(troubles);
    }

    pub(crate) fn always(&self, path: &str, trouble: Trouble) {
        self.records.lock().unwrap().always = Some((path.to_owned(), trouble));
    }

    /// Returns the paths asked for, without their common start.
    pub(crate) fn paths(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        records.requests.iter().map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn client(&self) -> RestStore {
        client(&self.uri)
    }
}

/// Returns a client that loses patience soon.
pub(crate) fn client(uri: &Url) -> RestStore {
    let bounds = Bounds {
        connect: Duration::from_secs(5),
        call: Duration::from_secs(10),
        transfer: Duration::from_secs(10),
        retry_for: Duration::from_millis(400),
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
    };
    RestStore::connect_within(uri.clone(), Credentials::Bearer("secret".to_owned()), bounds).unwrap()
}

async fn answer(State(records): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path().trim_start_matches("/api/2.0/").to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let mut records = records.lock().unwrap();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    records.requests.push((format!("{} {path}", head.method), json));
    let trouble = match &records.always {
        Some((always, trouble)) if *always == path => *trouble,
        _ => records.script.pop_front().unwrap_or(Trouble::None),
    };
    match trouble {
        Trouble::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Trouble::Refused => refusal(
            StatusCode::BAD_REQUEST,
            "INVALID_PARAMETER_VALUE",
            "no, thank you",
        ),
        Trouble::LostBefore => broken(),
        Trouble::LostAfter => {
            let _ = records.act(&head.method, &path, &query, &body);
            broken()
        }
        Trouble::None => records.act(&head.method, &path, &query, &body),
    }
}

/// An answer that ends too early.
fn broken() -> Response {
    let parts = [
        Ok(Bytes::from_static(b"{\"ru")),
        Err(std::io::Error::other("the line is dead")),
    ];
    Response::builder()
        .header("content-length", 1000)
        .body(Body::from_stream(futures::stream::iter(parts)))
        .unwrap()
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    (
        status,
        axum::Json(json!({"error_code": code, "message": message})),
    )
        .into_response()
}

fn missing(what: &str) -> Response {
    refusal(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", what)
}

fn has_tag(thing: &Value, filter: &str) -> bool {
    let tags = thing["tags"].as_array().into_iter().flatten();
    tags.into_iter().any(|tag| {
        filter
            == format!(
                "tags.`{}` = '{}'",
                tag["key"].as_str().unwrap(),
                tag["value"].as_str().unwrap()
            )
    })
}

impl Records {
    fn act(&mut self, method: &Method, path: &str, query: &str, body: &Bytes) -> Response {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        if let Some(file) = path.strip_prefix("mlflow-artifacts/artifacts/") {
            return self.file(method, file, body);
        }
        let done = match path.trim_start_matches("mlflow/") {
            "experiments/get-by-name" | "experiments/get" => {
                let field = if path.ends_with("name") {
                    "name"
                } else {
                    "experiment_id"
                };
                let wanted = query.split('=').nth(1).unwrap();
                match self
                    .experiments
                    .iter()
                    .find(|experiment| experiment[field] == wanted)
                {
                    Some(experiment) => json!({"experiment": experiment}),
                    None => return missing("no such experiment"),
                }
            }
            "experiments/create" => {
                if self
                    .experiments
                    .iter()
                    .any(|experiment| experiment["name"] == asked["name"])
                {
                    return refusal(StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS", "taken");
                }
                let id = (self.experiments.len() + 1).to_string();
                self.experiments.push(json!({
                    "experiment_id": id, "name": asked["name"], "tags": asked["tags"],
                    "artifact_location": format!("mlflow-artifacts:/{id}"), "lifecycle_stage": "active",
                }));
                json!({"experiment_id": id})
            }
            "runs/search" => {
                let found = |run: &&Value| has_tag(&run["data"], asked["filter"].as_str().unwrap());
                json!({"runs": self.runs.iter().filter(found).collect::<Vec<_>>()})
            }
            "runs/create" => {
                let id = format!("run-{}", self.runs.len() + 1);
                let experiment = asked["experiment_id"].as_str().unwrap();
                self.runs.push(json!({
                    "info": {
                        "run_id": id, "experiment_id": experiment, "status": "RUNNING", "start_time": "17",
                        "run_name": asked["run_name"].as_str().unwrap_or("quiet-owl-1"), "lifecycle_stage": "active",
                        "artifact_uri": format!("mlflow-artifacts:/{experiment}/{id}/artifacts"),
                    },
                    "data": {"tags": asked["tags"], "metrics": [], "params": []},
                }));
                json!({"run": self.runs.last()})
            }
            "logged-models/search" => {
                let found = |model: &&Value| has_tag(&model["info"], asked["filter"].as_str().unwrap());
                json!({"models": self.models.iter().filter(found).collect::<Vec<_>>()})
            }
            "logged-models" => {
                let id = format!("m-{}", self.models.len() + 1);
                self.models.push(json!({
                    "info": {
                        "model_id": id, "experiment_id": asked["experiment_id"], "name": asked["name"],
                        "artifact_uri": format!("mlflow-artifacts:/1/models/{id}/artifacts"),
                        "status": "LOGGED_MODEL_PENDING", "tags": asked["tags"],
                        "source_run_id": asked["source_run_id"],
                    },
                    "data": {"params": asked["params"]},
                }));
                json!({"model": self.models.last()})
            }
            "runs/get" => {
                let wanted = query.split('=').nth(1).unwrap();
                match self.runs.iter().find(|run| run["info"]["run_id"] == wanted) {
                    Some(run) => json!({"run": run}),
                    None => return missing("no such run"),
                }
            }
            "runs/log-batch" | "runs/update" | "runs/log-model" => {
                let Some(run) = self
                    .runs
                    .iter_mut()
                    .find(|run| run["info"]["run_id"] == asked["run_id"])
                else {
                    return missing("no such run");
                };
                change(run, path.rsplit('/').next().unwrap(), &asked);
                json!({"run_info": run["info"]})
            }
            _ => return refusal(StatusCode::NOT_FOUND, "ENDPOINT_NOT_FOUND", "no such call"),
        };
        axum::Json(done).into_response()
    }

    fn file(&mut self, method: &Method, path: &str, body: &Bytes) -> Response {
        match *method {
            Method::PUT => {
                self.files.insert(path.to_owned(), body.clone());
                StatusCode::OK.into_response()
            }
            _ => match self.files.get(path) {
                Some(content) => content.clone().into_response(),
                None => missing("no such file"),
            },
        }
    }
}

fn change(run: &mut Value, call: &str, asked: &Value) {
    match call {
        "log-batch" => {
            for part in ["metrics", "params", "tags"] {
                let new = asked[part].as_array().cloned().unwrap_or_default();
                let known = run["data"][part].as_array_mut().unwrap();
                known.retain(|old| {
                    new.iter()
                        .all(|new| new["key"] != old["key"] || part == "metrics")
                });
                let fresh: Vec<Value> = new.into_iter().filter(|new| !known.contains(new)).collect();
                known.extend(fresh);
            }
        }
        "update" => {
            for field in ["status", "end_time", "run_name"] {
                if !asked[field].is_null() {
                    run["info"][field] = asked[field].clone();
                }
            }
        }
        _ => {
            let model: Value = serde_json::from_str(asked["model_json"].as_str().unwrap()).unwrap();
            let tags = run["data"]["tags"].as_array_mut().unwrap();
            let old = tags
                .iter()
                .position(|tag| tag["key"] == "mlflow.log-model.history");
            let old = old.map(|at| tags.remove(at));
            let list = old.map_or("[]".to_owned(), |tag| tag["value"].as_str().unwrap().to_owned());
            let mut list: Vec<Value> = serde_json::from_str(&list).unwrap();
            list.push(model);
            tags.push(json!({"key": "mlflow.log-model.history", "value": Value::from(list).to_string()}));
        }
    }
}
