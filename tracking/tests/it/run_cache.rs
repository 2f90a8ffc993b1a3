//! What was logged to runs is kept in memory; nobody may ever notice but by the speed.

use rookery_tracking::entities::ModelOutput;
use rookery_tracking::{
    Dataset, DatasetId, DatasetInput, LogBatch, LogInputs, LogOutputs, SearchRuns, SqlStore, Tag,
    TrackingStore, UpdateRun, ViewType,
};

use crate::fixture::{database, metric, metrics, params, run_in};

/// A change shows to the store that made it, and to another on the same file that has read the run before; both say what a
/// store says that has read nothing yet.
#[tokio::test]
async fn every_change_shows_to_whoever_read_the_run_before() {
    let (_folder, path) = database();
    let ours = SqlStore::open(&path).await.unwrap();
    let theirs = SqlStore::open(&path).await.unwrap();
    let run_id = ours.create_run(run_in("0")).await.unwrap().info.run_id;
    let mut before = ours.get_run(&run_id).await.unwrap();
    for step in 0..CHANGES {
        change(&ours, &run_id, step).await;
        let fresh = SqlStore::open(&path)
            .await
            .unwrap()
            .get_run(&run_id)
            .await
            .unwrap();
        assert_ne!(fresh, before, "change {step} changed nothing");
        for (who, store) in [("ours", &ours), ("theirs", &theirs)] {
            assert_eq!(
                store.get_run(&run_id).await.unwrap(),
                fresh,
                "{who}, change {step}"
            );
            let all = SearchRuns {
                view: ViewType::All,
                ..SearchRuns::default()
            };
            let found = store.search_runs(all).await.unwrap().items;
            assert_eq!(found, std::slice::from_ref(&fresh), "{who}, change {step}");
        }
        before = fresh;
    }
    // What is refused leaves no trace either.
    ours.restore_run(&run_id).await.unwrap();
    let bad = LogBatch {
        metrics: vec![metric("loss", 9.0, 9)],
        ..params(&[("solver", "another")])
    };
    ours.log_batch(&run_id, bad).await.unwrap_err();
    let run = theirs.get_run(&run_id).await.unwrap();
    assert_eq!(ours.get_run(&run_id).await.unwrap(), run);
    assert_eq!(run.metric("loss"), Some(0.25));
}

const CHANGES: usize = 12;

/// Changes the run in one of the ways that there are.
async fn change(store: &SqlStore, run_id: &str, which: usize) {
    let dataset = |tags: Vec<Tag>| DatasetInput {
        dataset: Dataset {
            id: DatasetId {
                name: "penguins".to_owned(),
                digest: "a".to_owned(),
            },
            source_type: "local".to_owned(),
            source: "penguins.csv".to_owned(),
            schema: None,
            profile: None,
        },
        tags,
    };
    let inputs = |datasets| LogInputs {
        datasets,
        models: Vec::new(),
    };
    let changed = match which {
        0 => store.log_batch(run_id, metrics([metric("loss", 0.5, 1)])).await,
        1 => store.log_batch(run_id, metrics([metric("loss", 0.25, 2)])).await,
        2 => store.log_batch(run_id, params(&[("solver", "lbfgs")])).await,
        3 => store.set_tag(run_id, Tag::new("note", "1")).await,
        4 => store.set_tag(run_id, Tag::new("note", "2")).await,
        5 => store.delete_tag(run_id, "note").await,
        6 => {
            let model = serde_json::json!({"artifact_path": "model"});
            store.record_model(run_id, model).await
        }
        7 => store.log_inputs(run_id, inputs(vec![dataset(Vec::new())])).await,
        8 => {
            let tagged = dataset(vec![Tag::new("mlflow.data.context", "train")]);
            store.log_inputs(run_id, inputs(vec![tagged])).await
        }
        9 => {
            let models = vec![ModelOutput {
                model_id: "m-1".to_owned(),
                step: 3,
            }];
            store.log_outputs(run_id, LogOutputs { models }).await
        }
        10 => {
            let rename = UpdateRun {
                run_name: Some("renamed".to_owned()),
                ..UpdateRun::default()
            };
            store.update_run(run_id, rename).await.map(|_| ())
        }
        _ => store.delete_run(run_id).await,
    };
    changed.unwrap();
}
