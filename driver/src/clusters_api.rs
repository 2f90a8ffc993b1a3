//! `/api/2.0/clusters/…` and `/api/2.1/clusters/…`: clusters under names, as Databricks' clients ask for them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Extension, Json, Router};
use rookery_proto::{ErrorClass, Token, token};
use serde_json::{Map, Value, json};

use crate::named_clusters::{ClusterAction, ClusterInfo, ClusterRefusal, NamedClusters};

mod catalogue;
mod events;
mod listing;
mod settings;
mod update;
mod view;

/// Whom to ask, and who may.
#[derive(Debug, Clone)]
struct Served {
    clusters: Arc<dyn NamedClusters>,
    token: Option<Token>,
}

/// The routes.
pub(crate) fn routes(clusters: Arc<dyn NamedClusters>, token: Option<Token>) -> Router {
    let mut router = Router::new();
    for version in ["2.0", "2.1"] {
        for end in ["", "/"] {
            router = router.route(&format!("/api/{version}/clusters/{{action}}{end}"), any(answer));
        }
    }
    router.layer(Extension(Served { clusters, token }))
}

/// A refusal as clients understand it.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refused {
    fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "INVALID_PARAMETER_VALUE",
            message: message.into(),
        }
    }

    /// What became of a request about the cluster `id`.
    fn of(refusal: ClusterRefusal, id: &str) -> Self {
        match refusal {
            // Clients look for these very words.
            ClusterRefusal::Missing => Self::invalid(format!("Cluster {id} does not exist")),
            ClusterRefusal::WrongState(state) => Self {
                status: StatusCode::BAD_REQUEST,
                code: "INVALID_STATE",
                message: format!("Cluster {id} is in unexpected state {}.", view::in_words(state)),
            },
            ClusterRefusal::Failed(failure) if failure.class == ErrorClass::Config => {
                Self::invalid(failure.to_string())
            }
            ClusterRefusal::Failed(failure) => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                code: "INTERNAL_ERROR",
                message: failure.to_string(),
            },
        }
    }

    fn response(self) -> Response {
        let body = json!({"error_code": self.code, "message": self.message});
        (self.status, Json(body)).into_response()
    }
}

type Answer = Result<Value, Refused>;

async fn answer(
    Extension(served): Extension<Served>,
    Path(action): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !token::is_admitted(served.token.as_ref(), &headers) {
        let refused = Refused {
            status: StatusCode::UNAUTHORIZED,
            code: "UNAUTHENTICATED",
            message: token::refusal("driver").to_string(),
        };
        return refused.response();
    }
    let answered = match request(&action, &method, fields(query.as_deref()), &body) {
        Ok(request) => perform(served.clusters.as_ref(), &action, request).await,
        Err(refused) => Err(refused),
    };
    match answered {
        Ok(value) => Json(value).into_response(),
        Err(refused) => refused.response(),
    }
}

/// What is only asked for.
const READS: [&str; 5] = ["get", "list", "spark-versions", "list-node-types", "list-zones"];
/// What changes something, or takes too many words for an address.
const CALLS: [&str; 11] = [
    "create",
    "edit",
    "update",
    "start",
    "restart",
    "resize",
    "delete",
    "permanent-delete",
    "events",
    "pin",
    "unpin",
];

/// The fields in a request's address; those that are there several times are lists.
fn fields(query: Option<&str>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let value = Value::from(value);
        match fields.get_mut(name.as_ref()) {
            None => {
                fields.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    fields
}

/// The request's fields, from its address or its body.
fn request(
    action: &str,
    method: &Method,
    query: Map<String, Value>,
    body: &[u8],
) -> Result<Map<String, Value>, Refused> {
    match () {
        () if READS.contains(&action) && method == Method::GET => Ok(query),
        () if CALLS.contains(&action) && method == Method::POST => match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(Refused::invalid("the request is no JSON object")),
            Err(e) => Err(Refused {
                code: "MALFORMED_REQUEST",
                ..Refused::invalid(format!("the request is no JSON: {e}"))
            }),
        },
        () => Err(Refused {
            status: StatusCode::NOT_FOUND,
            code: "ENDPOINT_NOT_FOUND",
            message: format!("no API found for '{method} /clusters/{action}'"),
        }),
    }
}

async fn perform(clusters: &dyn NamedClusters, action: &str, fields: Map<String, Value>) -> Answer {
    match action {
        "spark-versions" => return Ok(catalogue::versions()),
        "list-node-types" => return Ok(catalogue::node_types(clusters.machine())),
        "list-zones" => return Ok(catalogue::zones()),
        "list" => {
            let all = clusters.all().await.map_err(|e| Refused::of(e, ""))?;
            return listing::page(&fields, &all, clusters.machine());
        }
        "create" => {
            let created = clusters.create(settings::of(fields)?).await;
            let id = created.map_err(|e| Refused::of(e, ""))?;
            return Ok(json!({ "cluster_id": id }));
        }
        _ => {}
    }
    let id = settings::text(&fields, "cluster_id")?
        .ok_or_else(|| Refused::invalid("Missing required field: cluster_id"))?
        .to_string();
    let refused = |refusal| Refused::of(refusal, &id);
    let action = match action {
        "get" => {
            let found = find(clusters, &id).await?;
            return Ok(view::cluster(&found, clusters.machine()));
        }
        "events" => {
            let happened = clusters.events(&id).await.map_err(refused)?;
            return events::page(&id, &fields, happened);
        }
        "edit" => ClusterAction::Edit(settings::of(fields)?),
        "update" => {
            let before = find(clusters, &id).await?.settings;
            ClusterAction::Edit(update::updated(&fields, &before)?)
        }
        "resize" => ClusterAction::Resize(settings::size(&fields)?),
        "start" => ClusterAction::Start,
        "restart" => ClusterAction::Restart,
        "delete" => ClusterAction::Terminate,
        "permanent-delete" => ClusterAction::Delete,
        "pin" => ClusterAction::Pin,
        _ => ClusterAction::Unpin,
    };
    clusters.act(&id, action).await.map_err(refused)?;
    Ok(json!({}))
}

async fn find(clusters: &dyn NamedClusters, id: &str) -> Result<ClusterInfo, Refused> {
    let all = clusters.all().await.map_err(|e| Refused::of(e, id))?;
    all.into_iter()
        .find(|cluster| cluster.id == id)
        .ok_or_else(|| Refused::of(ClusterRefusal::Missing, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_where_they_are_written() {
        let fields = |text: &str| -> Map<String, Value> { serde_json::from_str(text).unwrap() };
        let query = fields(r#"{"cluster_id": "a"}"#);
        assert_eq!(
            request("get", &Method::GET, query.clone(), b""),
            Ok(query.clone())
        );
        let body = request("start", &Method::POST, Map::new(), br#"{"cluster_id": "a"}"#);
        assert_eq!(body, Ok(query));
        for (action, method, body, status, code) in [
            ("get", Method::POST, "{}", 404, "ENDPOINT_NOT_FOUND"),
            ("explode", Method::GET, "", 404, "ENDPOINT_NOT_FOUND"),
            ("start", Method::POST, "{", 400, "MALFORMED_REQUEST"),
            ("start", Method::POST, "[]", 400, "INVALID_PARAMETER_VALUE"),
        ] {
            let refused = request(action, &method, Map::new(), body.as_bytes()).unwrap_err();
            assert_eq!(
                (refused.status.as_u16(), refused.code),
                (status, code),
                "{action} {method}"
            );
        }
    }

    #[test]
    fn what_is_said_several_times_is_a_list() {
        let found = fields(Some("a=1&s=RUNNING&s=PENDING&n=%C3%B1+x&s=TERMINATED"));
        let expected = json!({"a": "1", "s": ["RUNNING", "PENDING", "TERMINATED"], "n": "ñ x"});
        assert_eq!(Value::Object(found), expected);
        assert_eq!(fields(None), Map::new());
    }

    #[test]
    fn a_missing_cluster_is_told_in_the_words_that_clients_look_for() {
        let refused = Refused::of(ClusterRefusal::Missing, "1123-0-abc");
        assert_eq!(
            (refused.status.as_u16(), refused.code),
            (400, "INVALID_PARAMETER_VALUE")
        );
        assert_eq!(refused.message, "Cluster 1123-0-abc does not exist");
    }
}
