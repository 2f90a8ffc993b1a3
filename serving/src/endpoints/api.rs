//! Endpoints over HTTP, as Databricks' SDK and MLflow's deployment clients ask for them:
//!
//! - `/api/2.0/serving-endpoints…`: making, changing, looking at and deleting them (`manage`), and what Databricks has no
//!   words for: `promote`, `rollback`, `events` (`acts`);
//! - `/serving-endpoints/NAME/invocations`: asking them (`invocations`);
//! - `/api/2.0/endpoints…`, `/endpoints/NAME/invocations`: the same for `mlflow.deployments` over `http://`;
//! - `/.well-known/databricks-config`: what Databricks' SDK looks for before it does anything.
//!
//! Every path is there with a slash at its end, too. A mistake is answered in Databricks' form: `{"error_code", "message"}`.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, patch, post, put};

use super::manager::Endpoints;

mod acts;
mod answer;
mod author;
mod body;
mod invocations;
mod manage;
mod openapi;
mod path;
mod view;
mod view_entity;

/// The largest body, in bytes: what Databricks takes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// What the API is served from.
#[derive(Debug, Clone)]
struct Api {
    endpoints: Arc<Endpoints>,
    /// Where clients reach the driver, without a slash at the end.
    url: Arc<str>,
}

/// The routes that need the token. Whoever serves them sees to it.
pub fn router(endpoints: Arc<Endpoints>, url: &str) -> Router {
    let api = Api {
        endpoints,
        url: url.trim_end_matches('/').into(),
    };
    let one = "/api/2.0/serving-endpoints/{name}";
    let below = |rest: &str| format!("{one}/{rest}");
    let routes: Vec<(String, MethodRouter<Api>)> = vec![
        (
            "/api/2.0/serving-endpoints".to_string(),
            get(manage::list).post(manage::create),
        ),
        (one.to_string(), get(manage::get).delete(manage::delete)),
        (below("config"), put(manage::update)),
        (below("tags"), patch(manage::tags)),
        (below("metrics"), get(manage::metrics)),
        (below("openapi"), get(openapi::openapi)),
        (below("served-models/{served}/logs"), get(manage::logs)),
        (below("served-models/{served}/build-logs"), get(manage::logs)),
        (below("promote"), post(acts::promote)),
        (below("rollback"), post(acts::roll_back)),
        (below("events"), get(acts::events)),
        (
            "/serving-endpoints/{name}/invocations".to_string(),
            post(invocations::of_endpoint),
        ),
        (
            "/serving-endpoints/{name}/served-models/{served}/invocations".to_string(),
            post(invocations::of_served),
        ),
        (
            "/endpoints/{name}/invocations".to_string(),
            post(invocations::of_endpoint),
        ),
        ("/api/2.0/endpoints".to_string(), get(manage::list_for_mlflow)),
        (
            "/api/2.0/endpoints/{name}".to_string(),
            get(manage::get_for_mlflow),
        ),
    ];
    let mut router = Router::new();
    for (path, methods) in routes {
        router = router
            .route(&format!("{path}/"), methods.clone())
            .route(&path, methods);
    }
    router
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(api)
}

/// The routes that anybody may ask.
pub fn open_router() -> Router {
    Router::new().route("/.well-known/databricks-config", get(manage::databricks_config))
}
