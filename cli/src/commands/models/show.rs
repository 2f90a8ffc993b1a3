//! `rookery models show`: a registered model and its versions.

use std::collections::BTreeMap;

use clap::Args;
use rookery_driver::LOSS_METRIC;
use rookery_proto::Failure;
use rookery_tracking::entities::MetricGate;
use rookery_tracking::{
    Metric, ModelRegistry, ModelVersion, RegisteredModel, Search, TrackingError, TrackingStore,
};
use serde::Serialize;

use crate::args::JsonFlag;
use crate::commands::runs::Number;
use crate::diagnostic::of_tracking;
use crate::output::Output;
use crate::records::{self, OpenRecords};
use crate::table::{self, indented, pairs, printable, section};
use crate::times;

/// Show a registered model: versions, aliases and their gates, and the metrics of the versions' runs
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The registered model
    name: String,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// A registered model with everything around it.
#[derive(Debug)]
struct Shown {
    model: RegisteredModel,
    gates: Vec<(String, MetricGate)>,
    /// Newest first, with the metrics of their runs.
    versions: Vec<(ModelVersion, Vec<Metric>)>,
}

pub(super) async fn show(args: &ShowArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    let shown = read(&args.name, records).await?;
    match output.is_json() {
        true => output.object(&object(&shown)),
        false => page(&shown).iter().for_each(|line| output.line(line)),
    }
    Ok(())
}

async fn read(name: &str, records: &OpenRecords) -> Result<Shown, Failure> {
    let registry = records.registry.as_ref();
    let model = registry
        .get_registered_model(name)
        .await
        .map_err(|e| of_tracking(&e))?;
    let gates = registry.alias_gates(name).await.map_err(|e| of_tracking(&e))?;
    let mut versions = Vec::new();
    for version in every_version(registry, name).await? {
        let metrics = run_metrics(records.store.as_ref(), &version).await?;
        versions.push((version, metrics));
    }
    Ok(Shown {
        model,
        gates,
        versions,
    })
}

async fn every_version(registry: &dyn ModelRegistry, name: &str) -> Result<Vec<ModelVersion>, Failure> {
    let mut search = Search::matching(records::text_equals("name", name));
    let mut versions = Vec::new();
    loop {
        let page = registry
            .search_model_versions(search.clone())
            .await
            .map_err(|e| of_tracking(&e))?;
        versions.extend(page.items.into_iter().filter(|version| version.name == name));
        search.page_token = page.next_page_token;
        if search.page_token.is_none() {
            break;
        }
    }
    versions.sort_by_key(|version| std::cmp::Reverse(version.version));
    Ok(versions)
}

/// None, if the version has no run (any more).
async fn run_metrics(store: &dyn TrackingStore, version: &ModelVersion) -> Result<Vec<Metric>, Failure> {
    if version.run_id.is_empty() {
        return Ok(Vec::new());
    }
    match store.get_run(&version.run_id).await {
        Ok(run) => Ok(run.metrics),
        Err(TrackingError::RunNotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(of_tracking(&error)),
    }
}

fn page(shown: &Shown) -> Vec<String> {
    let model = &shown.model;
    let mut lines = vec![format!("model {}", printable(&model.name))];
    let mut facts = vec![
        ("created", times::local(model.creation_timestamp_ms)),
        ("changed", times::local(model.last_updated_timestamp_ms)),
    ];
    if !model.description.is_empty() {
        facts.push(("about", model.description.clone()));
    }
    lines.extend(pairs(facts));
    let tags = model.tags.iter().map(|tag| (tag.key.as_str(), tag.value.clone()));
    section(&mut lines, "tags", pairs(tags));
    section(&mut lines, "aliases", aliases(shown));
    section(&mut lines, "versions", versions(&shown.versions));
    lines
}

/// Aliases that point somewhere, and those that only have a gate.
fn aliases(shown: &Shown) -> Vec<String> {
    let mut rows: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for alias in &shown.model.aliases {
        rows.entry(&alias.alias).or_default().0 = alias.version.to_string();
    }
    for (alias, gate) in &shown.gates {
        rows.entry(alias).or_default().1 = gate.to_string();
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let rows = rows
        .into_iter()
        .map(|(alias, (version, gate))| vec![alias.to_string(), version, gate]);
    indented(&["ALIAS", "VERSION", "GATE"], rows)
}

fn versions(versions: &[(ModelVersion, Vec<Metric>)]) -> Vec<String> {
    if versions.is_empty() {
        return Vec::new();
    }
    let rows = versions.iter().map(|(version, metrics)| {
        let judged = metrics
            .iter()
            .filter(|metric| metric.key != LOSS_METRIC && metric.key != "gradient_norm");
        let metrics: Vec<String> = judged
            .map(|metric| format!("{}={}", metric.key, table::number(metric.value)))
            .collect();
        let tags: Vec<String> = version
            .tags
            .iter()
            .map(|tag| format!("{}={}", tag.key, tag.value))
            .collect();
        vec![
            version.version.to_string(),
            version.stage.to_string(),
            version.aliases.join(" "),
            times::local(version.creation_timestamp_ms),
            version.user_id.clone(),
            version.run_id.clone(),
            tags.join(" "),
            metrics.join(" "),
        ]
    });
    indented(
        &[
            "VERSION", "STAGE", "ALIASES", "CREATED", "BY", "RUN", "TAGS", "METRICS",
        ],
        rows,
    )
}

#[derive(Debug, Serialize)]
struct ShownObject<'a> {
    event: &'static str,
    name: &'a str,
    description: &'a str,
    creation_time_ms: i64,
    last_update_time_ms: i64,
    tags: BTreeMap<&'a str, &'a str>,
    aliases: BTreeMap<&'a str, u32>,
    gates: BTreeMap<&'a str, String>,
    versions: Vec<VersionObject<'a>>,
}

#[derive(Debug, Serialize)]
struct VersionObject<'a> {
    version: u32,
    stage: &'static str,
    aliases: &'a [String],
    description: &'a str,
    creation_time_ms: i64,
    user: &'a str,
    source: &'a str,
    run_id: &'a str,
    model_id: Option<&'a str>,
    tags: BTreeMap<&'a str, &'a str>,
    metrics: BTreeMap<&'a str, Number>,
}

fn object(shown: &Shown) -> ShownObject<'_> {
    let model = &shown.model;
    let (tags, aliases, gates) = (model.tags.iter(), model.aliases.iter(), shown.gates.iter());
    ShownObject {
        event: "model",
        name: &model.name,
        description: &model.description,
        creation_time_ms: model.creation_timestamp_ms,
        last_update_time_ms: model.last_updated_timestamp_ms,
        tags: tags.map(|tag| (tag.key.as_str(), tag.value.as_str())).collect(),
        aliases: aliases
            .map(|alias| (alias.alias.as_str(), alias.version))
            .collect(),
        gates: gates
            .map(|(alias, gate)| (alias.as_str(), gate.to_string()))
            .collect(),
        versions: shown
            .versions
            .iter()
            .map(|(version, metrics)| version_object(version, metrics))
            .collect(),
    }
}

fn version_object<'a>(version: &'a ModelVersion, metrics: &'a [Metric]) -> VersionObject<'a> {
    let tags = version.tags.iter();
    VersionObject {
        version: version.version,
        stage: version.stage.as_str(),
        aliases: &version.aliases,
        description: &version.description,
        creation_time_ms: version.creation_timestamp_ms,
        user: &version.user_id,
        source: &version.source,
        run_id: &version.run_id,
        model_id: version.model_id.as_deref(),
        tags: tags.map(|tag| (tag.key.as_str(), tag.value.as_str())).collect(),
        metrics: metrics
            .iter()
            .map(|metric| (metric.key.as_str(), Number(metric.value)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use rookery_tracking::Tag;
    use rookery_tracking::entities::{Alias, Stage};

    use super::*;

    fn version(version: u32, accuracy: f64) -> (ModelVersion, Vec<Metric>) {
        let aliases = if version == 1 {
            vec!["champion".into()]
        } else {
            Vec::new()
        };
        let metric = |key: &str, value| Metric {
            key: key.into(),
            value,
            timestamp_ms: 0,
            step: 0,
        };
        let version = ModelVersion {
            name: "birds".into(),
            version,
            creation_timestamp_ms: 0,
            last_updated_timestamp_ms: 0,
            user_id: "ada".into(),
            stage: Stage::None,
            description: String::new(),
            source: "mlflow-artifacts:/1/r/artifacts/model".into(),
            storage_location: "mlflow-artifacts:/1/r/artifacts/model".into(),
            run_id: format!("run{version}"),
            model_id: None,
            run_link: String::new(),
            tags: vec![Tag::new("checked", "yes")],
            aliases,
        };
        (version, vec![metric("accuracy", accuracy), metric("loss", 0.1)])
    }

    fn shown() -> Shown {
        Shown {
            model: RegisteredModel {
                name: "birds".into(),
                creation_timestamp_ms: 0,
                last_updated_timestamp_ms: 0,
                description: "which species?".into(),
                latest_versions: Vec::new(),
                tags: Vec::new(),
                aliases: vec![Alias {
                    alias: "champion".into(),
                    version: 1,
                }],
            },
            gates: vec![
                ("champion".into(), "accuracy >= champion".parse().unwrap()),
                ("trial".into(), "accuracy >= 0.5".parse().unwrap()),
            ],
            versions: vec![version(2, 0.9659090909090909), version(1, 0.9545454545454546)],
        }
    }

    #[test]
    fn a_page_has_aliases_gates_and_versions() {
        let text = page(&shown()).join("\n");
        insta::assert_snapshot!(text.replace(&times::local(0), "TIME"), @r"
        model birds
          created  TIME
          changed  TIME
          about    which species?

        aliases
          ALIAS     VERSION  GATE
          champion  1        accuracy >= champion
          trial              accuracy >= 0.5

        versions
          VERSION  STAGE  ALIASES   CREATED              BY   RUN   TAGS         METRICS
          2        None             TIME  ada  run2  checked=yes  accuracy=0.9659090909090909
          1        None   champion  TIME  ada  run1  checked=yes  accuracy=0.9545454545454546
        ");
    }

    #[test]
    fn json_has_the_gates_and_the_metrics() {
        let json = serde_json::to_string(&object(&shown())).unwrap();
        for expected in [
            r#""gates":{"champion":"accuracy >= champion","trial":"accuracy >= 0.5"}"#,
            r#""metrics":{"accuracy":0.9659090909090909,"loss":0.1}"#,
        ] {
            assert!(json.contains(expected), "{expected}\n{json}");
        }
    }
}
