//! What went into a run and what came out of it.

use rookery_tracking::entities::{ModelInput, ModelOutput};
use rookery_tracking::{Dataset, DatasetId, DatasetInput, ErrorCode, LogInputs, LogOutputs, SearchRuns, Tag};

use crate::fixture::{Fixture, run_in};

fn input(name: &str, digest: &str, tags: &[(&str, &str)]) -> DatasetInput {
    DatasetInput {
        dataset: Dataset {
            id: DatasetId {
                name: name.to_owned(),
                digest: digest.to_owned(),
            },
            source_type: "local".to_owned(),
            source: "{\"uri\": \"penguins.csv\"}".to_owned(),
            schema: Some("{}".to_owned()),
            profile: None,
        },
        tags: tags.iter().map(|(key, value)| Tag::new(*key, value)).collect(),
    }
}

fn inputs(datasets: impl IntoIterator<Item = DatasetInput>) -> LogInputs {
    LogInputs {
        datasets: datasets.into_iter().collect(),
        models: Vec::new(),
    }
}

pub(super) async fn inputs_and_outputs_show_in_the_run(fixture: Fixture) {
    let store = &fixture.store;
    let mut run = fixture.run().await;
    let run_id = run.info.run_id.clone();
    let untagged = input("penguins", "b", &[]);
    let tagged = input("penguins", "a", &[("mlflow.data.context", "train"), ("x", "1")]);
    let logged = LogInputs {
        models: vec![ModelInput {
            model_id: "m-1".to_owned(),
        }],
        ..inputs([untagged.clone(), tagged.clone()])
    };
    store.log_inputs(&run_id, logged).await.unwrap();
    let output = |model_id: &str, step: i64| ModelOutput {
        model_id: model_id.to_owned(),
        step,
    };
    let outputs = LogOutputs {
        models: vec![output("m-3", 1), output("m-2", 7)],
    };
    store.log_outputs(&run_id, outputs).await.unwrap();

    run.dataset_inputs = vec![tagged, untagged];
    run.model_inputs = vec![ModelInput {
        model_id: "m-1".to_owned(),
    }];
    run.model_outputs = vec![output("m-2", 7), output("m-3", 1)];
    assert_eq!(store.get_run(&run_id).await.unwrap(), run);
    let found = store.search_runs(SearchRuns::default()).await.unwrap().items;
    assert_eq!(found, [run]);
}

pub(super) async fn repeating_inputs_changes_nothing(fixture: Fixture) {
    let store = &fixture.store;
    let run_id = fixture.run().await.info.run_id;
    let logged = inputs([input("d", "1", &[("a", "1")])]);
    store.log_inputs(&run_id, logged.clone()).await.unwrap();
    let once = store.get_run(&run_id).await.unwrap();
    store.log_inputs(&run_id, logged.clone()).await.unwrap();
    assert_eq!(store.get_run(&run_id).await.unwrap(), once);
    // A new tag joins those that are there.
    let more = inputs([input("d", "1", &[("a", "2"), ("b", "1")])]);
    store.log_inputs(&run_id, more).await.unwrap();
    let tags = &store.get_run(&run_id).await.unwrap().dataset_inputs[0].tags;
    assert_eq!(*tags, [Tag::new("a", "1"), Tag::new("b", "1")]);

    // Another run, and a dataset of the same name in another experiment, have their own.
    let sibling = fixture.run().await.info.run_id;
    store
        .log_inputs(&sibling, inputs([input("d", "1", &[])]))
        .await
        .unwrap();
    let lab = store.get_or_create_experiment("lab").await.unwrap().experiment_id;
    let cousin = store.create_run(run_in(&lab)).await.unwrap().info.run_id;
    store.log_inputs(&cousin, logged).await.unwrap();
    assert!(
        store.get_run(&sibling).await.unwrap().dataset_inputs[0]
            .tags
            .is_empty()
    );
    assert_eq!(store.get_run(&cousin).await.unwrap().dataset_inputs.len(), 1);
}

pub(super) async fn inputs_have_limits(fixture: Fixture) {
    let store = &fixture.store;
    let run_id = fixture.run().await.info.run_id;
    let long = "x".repeat(501);
    let bad = [
        (
            input(&long, "1", &[]),
            "'name' exceeds the maximum length of 500 characters",
        ),
        (
            input("d", &long, &[]),
            "'digest' exceeds the maximum length of 36 characters",
        ),
        (
            input("d", "1", &[("k", &long)]),
            "'value' exceeds the maximum length of 500 characters",
        ),
    ];
    for (input, message) in bad {
        let error = store.log_inputs(&run_id, inputs([input])).await.unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    store.delete_run(&run_id).await.unwrap();
    let error = store.log_inputs(&run_id, inputs([])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    let error = store
        .log_outputs(&run_id, LogOutputs::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
}
