//! Client and spool against our own server: registry, token, artifacts, and a job from end to end. The calls of the
//! tracking store are covered by the contract.

use std::sync::Arc;

use rookery_tracking::rest::Credentials;
use rookery_tracking::{
    Actor, CreateExperiment, CreateLoggedModel, CreateModelVersion, CreateRegisteredModel, DatasetId,
    ErrorCode, JournalQuery, LogBatch, Metric, MetricHistory, ModelMetric, ModelRegistry, RunStatus, Search,
    SqlStore, SystemEnvironment, Tag, TrackingError, TrackingStore, entities,
};
use tempfile::TempDir;

use super::spool::{PATIENCE, begin, end, open};
use crate::fixture::{Served, metric, params, run_in};

async fn served(token: Option<&str>) -> (Arc<SqlStore>, Served) {
    let store = Arc::new(SqlStore::in_memory(Arc::new(SystemEnvironment)).unwrap());
    let served = Served::start(Arc::clone(&store), token.map(str::to_owned)).await;
    (store, served)
}

/// Removes what the client adds for its own use and does not show.
fn unstamp(tags: &mut Vec<Tag>) {
    tags.retain(|tag| tag.key != rookery_tracking::rest::TAG_REQUEST_ID);
}

#[tokio::test]
async fn the_registry_is_the_same_over_rest() {
    let (behind, served) = served(None).await;
    let rest = served.client(Credentials::None);
    let by = Actor {
        user: "Ada Müller".to_owned(),
        reason: "bessere Pinguine".to_owned(),
    };
    let name = "Pronosticador de pingüinos";
    let request = CreateRegisteredModel {
        name: name.to_owned(),
        description: "d".to_owned(),
        tags: vec![Tag::new("a", 1)],
    };
    let made = rest.create_registered_model(request.clone(), &by).await.unwrap();
    assert_eq!((made.name.as_str(), made.tags.len()), (name, 1));
    let error = rest.create_registered_model(request, &by).await.unwrap_err();
    assert!(matches!(error, TrackingError::Exists { .. }), "{error:?}");
    for _ in 0..2 {
        let run = rest.create_run(run_in("0")).await.unwrap();
        let request = CreateModelVersion {
            name: name.to_owned(),
            source: format!("{}/model", run.info.artifact_uri),
            run_id: run.info.run_id,
            ..CreateModelVersion::default()
        };
        rest.create_model_version(request, &by).await.unwrap();
    }
    rest.set_alias(name, "champion", 1, &by).await.unwrap();
    rest.transition_stage(name, 2, entities::Stage::Staging, false, &by)
        .await
        .unwrap();
    rest.describe_model_version(name, 2, "two", &by).await.unwrap();
    rest.set_model_version_tag(name, 2, Tag::new("k", "v"), &by)
        .await
        .unwrap();
    let gate: entities::MetricGate = "accuracy >= champion".parse().unwrap();
    rest.set_alias_gate(name, "champion", Some(gate.clone()), &by)
        .await
        .unwrap();
    assert_eq!(
        rest.alias_gates(name).await.unwrap(),
        [("champion".to_owned(), gate)]
    );
    let error = rest.set_alias(name, "champion", 2, &by).await.unwrap_err();
    assert!(matches!(error, TrackingError::WrongState { .. }), "{error:?}");

    // The store behind has the stamps of the client in its tags; everything else is the same.
    let mut expected = behind.get_registered_model(name).await.unwrap();
    unstamp(&mut expected.tags);
    expected
        .latest_versions
        .iter_mut()
        .for_each(|version| unstamp(&mut version.tags));
    assert_eq!(rest.get_registered_model(name).await.unwrap(), expected);
    let found = rest
        .search_registered_models(Search {
            max_results: 10,
            ..Search::default()
        })
        .await
        .unwrap();
    assert_eq!(found.items, [expected]);
    assert_eq!(
        rest.get_version_by_alias(name, "champion").await.unwrap().version,
        1
    );
    let error = rest.get_version_by_alias(name, "nobody").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "as MLflow has it");
    assert_eq!(
        rest.latest_versions(name, &[entities::Stage::Staging])
            .await
            .unwrap()[0]
            .version,
        2
    );
    let versions = rest
        .search_model_versions(Search::matching("tags.k = 'v'"))
        .await
        .unwrap();
    assert_eq!(versions.items.len(), 1);

    let query = JournalQuery {
        name: Some(name.to_owned()),
        max_results: 1000,
        page_token: None,
    };
    let journal = rest.journal(query.clone()).await.unwrap();
    assert_eq!(journal, behind.journal(query).await.unwrap());
    assert!(
        journal
            .items
            .iter()
            .all(|entry| entry.user == by.user && entry.reason == by.reason)
    );
    let now = journal.items[0].timestamp_ms;
    assert_eq!(
        rest.as_of(Some(name), now).await.unwrap(),
        behind.as_of(Some(name), now).await.unwrap()
    );
    assert_eq!(rest.as_of(None, now).await.unwrap().len(), 1);

    rest.set_alias_gate(name, "champion", None, &by).await.unwrap();
    rest.delete_alias(name, "champion", &by).await.unwrap();
    rest.delete_model_version_tag(name, 2, "k", &by).await.unwrap();
    rest.delete_model_version(name, 1, &by).await.unwrap();
    rest.set_registered_model_tag(name, Tag::new("b", 2), &by)
        .await
        .unwrap();
    rest.delete_registered_model_tag(name, "b", &by).await.unwrap();
    rest.describe_registered_model(name, "new", &by).await.unwrap();
    let renamed = rest.rename_registered_model(name, "plain", &by).await.unwrap();
    assert_eq!(
        (renamed.name.as_str(), renamed.description.as_str()),
        ("plain", "new")
    );
    rest.delete_registered_model("plain", &by).await.unwrap();
    let error = rest.get_registered_model("plain").await.unwrap_err();
    assert!(matches!(error, TrackingError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn a_job_goes_through_the_spool_into_our_own_server() {
    let (behind, served) = served(Some("secret")).await;
    let folder = TempDir::new().unwrap();
    let rest = served.client(Credentials::Bearer("secret".to_owned()));
    let store = open(folder.path(), &rest).await;
    let run = begin(&store).await;
    end(&store, &run.info.run_id).await;
    let pending = store.flush(PATIENCE).await;
    let refused = std::fs::read_to_string(folder.path().join("rejected.jsonl")).unwrap();
    assert_eq!((pending.operations, refused.as_str()), (0, ""), "{pending:?}");

    let server_id = store.server_id(&run.info.run_id).unwrap();
    let local = store.get_run(&run.info.run_id).await.unwrap();
    let delivered = behind.get_run(&server_id).await.unwrap();
    assert_eq!(delivered.info.status, RunStatus::Finished);
    assert_eq!(delivered.info.run_name, local.info.run_name);
    assert_eq!(
        (&delivered.metrics, &delivered.params),
        (&local.metrics, &local.params)
    );
    let artifacts = rest.artifacts();
    let root = &delivered.info.artifact_uri;
    let files = artifacts.list(root, "model").await.unwrap();
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["model/MLmodel", "model/model.json"]);
    assert!(artifacts.list(root, "").await.unwrap()[0].is_dir());
    let text = artifacts.get(root, "model/MLmodel", None).await.unwrap();
    assert_eq!(text, format!("run_id: {server_id}\nflavors: {{}}\n"));
    assert_eq!(
        artifacts.get(root, "model/MLmodel", Some(0..6)).await.unwrap(),
        "run_id"
    );
}

#[tokio::test]
async fn without_the_token_our_server_denies() {
    let (_behind, served) = served(Some("secret")).await;
    let error = served.client(Credentials::None).get_run("x").await.unwrap_err();
    assert!(matches!(error, TrackingError::Denied { .. }), "{error:?}");
}

/// What the contract's cases that need infinities, owners or typed errors say apart from those.
#[tokio::test]
async fn curves_lineage_and_refusals_are_the_same_over_rest() {
    let (behind, served) = served(None).await;
    let rest = served.client(Credentials::None);
    let run_id = rest.create_run(run_in("0")).await.unwrap().info.run_id;
    let request = CreateLoggedModel {
        experiment_id: "0".to_owned(),
        name: Some("m".to_owned()),
        source_run_id: Some(run_id.clone()),
        ..CreateLoggedModel::default()
    };
    let model_id = rest.create_logged_model(request).await.unwrap().model_id;
    let values = [0.5, f64::MIN_POSITIVE, -0.1 - 0.2, f64::MAX, 1e-300];
    let points: Vec<Metric> = (0..)
        .zip(values)
        .map(|(step, value)| metric("loss", value, step))
        .collect();
    let batch = LogBatch {
        model_metrics: vec![ModelMetric {
            model_id: model_id.clone(),
            run_id: run_id.clone(),
            dataset: Some(DatasetId {
                name: "test".to_owned(),
                digest: "d".to_owned(),
            }),
            metric: points[1].clone(),
        }],
        metrics: points.clone(),
        ..LogBatch::default()
    };
    rest.log_batch(&run_id, batch.clone()).await.unwrap();
    rest.log_batch(&run_id, batch).await.unwrap();

    let mut history = Vec::new();
    let mut request = MetricHistory {
        max_results: 2,
        ..MetricHistory::of(&run_id, "loss")
    };
    loop {
        let page = rest.metric_history(request.clone()).await.unwrap();
        history.extend(page.items);
        request.page_token = page.next_page_token;
        if request.page_token.is_none() {
            break;
        }
    }
    assert_eq!(history, points);
    let summaries = rest.metric_summaries(&run_id).await.unwrap();
    assert_eq!(summaries, behind.metric_summaries(&run_id).await.unwrap());
    let mut expected = behind.get_run(&run_id).await.unwrap();
    unstamp(&mut expected.tags);
    assert_eq!(rest.get_run(&run_id).await.unwrap(), expected);
    let mut expected = behind.get_logged_model(&model_id).await.unwrap();
    unstamp(&mut expected.tags);
    assert_eq!(expected.metrics.len(), 1);
    assert_eq!(rest.get_logged_model(&model_id).await.unwrap(), expected);

    rest.log_batch(&run_id, params(&[("reg", "0.1")])).await.unwrap();
    let error = rest
        .log_batch(&run_id, params(&[("reg", "0.2")]))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Changing param values is not allowed"),
        "{error}"
    );
    rest.delete_run(&run_id).await.unwrap();
    let error = rest.log_batch(&run_id, params(&[("a", "b")])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    rest.restore_run(&run_id).await.unwrap();
    let experiment = rest.get_or_create_experiment("e").await.unwrap();
    rest.rename_experiment(&experiment.experiment_id, "f")
        .await
        .unwrap();
    rest.delete_experiment(&experiment.experiment_id).await.unwrap();
    let error = rest
        .create_experiment(CreateExperiment::named("f"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceAlreadyExists);
    let error = rest.get_experiment("77").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceDoesNotExist);
}
