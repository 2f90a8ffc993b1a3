//! `/api/2.0/rookery/…`: what MLflow's protocol has no words for.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;

use super::actor::By;
use super::error::ApiError;
use super::fields::Fields;
use super::respond::{Answer, done, ok};
use super::view::AliasView;
use super::{Api, Routes};
use crate::entities::{JournalEntry, MetricGate, MetricSummary, RegistrySnapshot};
use crate::registry::JournalQuery;

const DEFAULT_ENTRIES: usize = 100;
const MAX_ENTRIES: usize = 1000;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/runs/metric-summaries", get(metric_summaries))
        .route("/registry/journal", get(journal))
        .route("/registry/as-of", get(as_of))
        .route("/registry/gates", get(gates).post(set_gate).delete(delete_gate))
}

async fn metric_summaries(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Summaries {
        metric_summaries: Vec<MetricSummary>,
    }

    let metric_summaries = api.store.metric_summaries(&fields.run_id()?).await?;
    ok(&Summaries { metric_summaries })
}

async fn journal(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Journal {
        entries: Vec<JournalEntry>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<String>,
    }

    let query = JournalQuery {
        name: fields.some_text("name")?,
        max_results: fields.max_results(DEFAULT_ENTRIES, MAX_ENTRIES)?,
        page_token: fields.some_text("page_token")?,
    };
    let page = api.registry.journal(query).await?;
    ok(&Journal {
        entries: page.items,
        next_page_token: page.next_page_token,
    })
}

async fn as_of(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Snapshots<'a> {
        registered_models: Vec<SnapshotView<'a>>,
    }

    let name = fields.some_text("name")?;
    let time_ms = fields.required_int("time_ms")?;
    let snapshots = api.registry.as_of(name.as_deref(), time_ms).await?;
    ok(&Snapshots {
        registered_models: snapshots.iter().map(SnapshotView::from).collect(),
    })
}

#[derive(Serialize)]
struct SnapshotView<'a> {
    name: &'a str,
    versions: Vec<StagedVersion>,
    aliases: Vec<AliasView<'a>>,
}

/// Versions are texts here too, as everywhere on MLflow's wire.
#[derive(Serialize)]
struct StagedVersion {
    version: String,
    current_stage: &'static str,
}

impl<'a> From<&'a RegistrySnapshot> for SnapshotView<'a> {
    fn from(snapshot: &'a RegistrySnapshot) -> Self {
        let staged = |(version, stage): &(u32, crate::entities::Stage)| StagedVersion {
            version: version.to_string(),
            current_stage: stage.as_str(),
        };
        SnapshotView {
            name: &snapshot.name,
            versions: snapshot.versions.iter().map(staged).collect(),
            aliases: snapshot.aliases.iter().map(AliasView::from).collect(),
        }
    }
}

async fn gates(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Gates {
        gates: Vec<GateView>,
    }
    #[derive(Serialize)]
    struct GateView {
        alias: String,
        gate: String,
    }

    let gates = api.registry.alias_gates(&fields.required("name")?).await?;
    let view = |(alias, gate): (String, MetricGate)| GateView {
        alias,
        gate: gate.to_string(),
    };
    ok(&Gates {
        gates: gates.into_iter().map(view).collect(),
    })
}

async fn set_gate(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let alias = fields.required("alias")?;
    let gate: MetricGate = fields.required("gate")?.parse().map_err(ApiError::from)?;
    api.registry
        .set_alias_gate(&name, &alias, Some(gate), &by)
        .await?;
    done()
}

async fn delete_gate(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let alias = fields.required("alias")?;
    api.registry.set_alias_gate(&name, &alias, None, &by).await?;
    done()
}
