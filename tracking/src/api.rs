//! MLflow's REST protocol, served from a [`TrackingStore`], a [`ModelRegistry`] and an [`ArtifactStore`]: the stock
//! client, its command line and its UI work against it.
//!
//! Where MLflow's own server answers a client's mistake with 500, or with a page of HTML, this one answers with a 4xx
//! and MLflow's JSON. What is not served (traces, the gateway, evaluation) is `ENDPOINT_NOT_FOUND`.
//!
//! In reading order: `request` (a body or a query becomes fields), `fields` and `parse` (fields become
//! what the stores take), `view` and `respond` (what the stores return becomes JSON), `error`; then a file per group of
//! endpoints.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::get;

use crate::artifacts::ArtifactStore;
use crate::registry::ModelRegistry;
use crate::store::TrackingStore;

mod actor;
mod artifacts;
mod auth;
mod download;
mod error;
mod experiments;
mod extensions;
mod fields;
mod logged_models;
mod logging;
mod metrics;
mod model_versions;
mod parse;
mod path;
mod registered_models;
mod request;
mod respond;
mod run_artifacts;
mod runs;
mod server;
mod source;
mod unread;
mod view;

pub use server::MLFLOW_VERSION;

type Routes = Router<Arc<Api>>;

/// What the protocol is served from.
pub struct Api {
    /// Experiments, runs and logged models.
    pub store: Arc<dyn TrackingStore>,
    /// Registered models.
    pub registry: Arc<dyn ModelRegistry>,
    /// The files behind `mlflow-artifacts:` URIs.
    pub artifacts: ArtifactStore,
    /// What every request must bring, but for `/health` and `/version`: as a bearer's token, or as a password.
    pub token: Option<String>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("store", &self.store)
            .field("registry", &self.registry)
            .field("artifacts", &self.artifacts)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .finish()
    }
}

/// Returns the service. It answers on every path, if only with `ENDPOINT_NOT_FOUND`, so other routes are
/// [merged](Router::merge) into it, or it is the fallback of others; routes added later do not ask for the token, unless
/// they are [guarded].
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let mut router = Router::new()
        .route("/health", get(server::health))
        .route("/version", get(server::version))
        // The UI's links to files go here, without a prefix.
        .merge(run_artifacts::page_routes());
    for prefix in ["/api", "/ajax-api"] {
        router = router
            .nest(&format!("{prefix}/2.0/mlflow"), mlflow_routes())
            .nest(&format!("{prefix}/2.0/mlflow-artifacts"), artifacts::routes())
            .nest(&format!("{prefix}/2.0/rookery"), extensions::routes())
            .route(&format!("{prefix}/3.0/mlflow/server-info"), get(server::info));
    }
    let token = api.token.clone();
    let router = router
        .method_not_allowed_fallback(server::wrong_method)
        .fallback(server::nothing_here)
        .with_state(api);
    guarded(router, token)
}

/// Puts routes behind the door that the service is behind: requests must bring the token, a panic becomes an answer, and
/// what a refused request still sends is read.
pub fn guarded(routes: Router, token: Option<String>) -> Router {
    let token: Option<Arc<str>> = token.map(Arc::from);
    routes
        .layer(from_fn_with_state(token, auth::check))
        .layer(from_fn(server::catch_panic))
        .layer(map_response(server::no_sniffing))
        .layer(from_fn(unread::read_rest))
}

fn mlflow_routes() -> Routes {
    Router::new()
        .merge(experiments::routes())
        .merge(runs::routes())
        .merge(logging::routes())
        .merge(metrics::routes())
        .merge(logged_models::routes())
        .merge(registered_models::routes())
        .merge(model_versions::routes())
        .merge(run_artifacts::routes())
}
