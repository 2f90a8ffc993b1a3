//! Models from the registry, and endpoints that answer with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream;
use rookery_ml::{
    ColumnKind, Family, FittedPipeline, FittedStage, HandleInvalid, LogisticRegressionModel, Model,
    VectorAssembler,
};
use rookery_serving::endpoints::{
    Author, EndpointMetrics, EntitySpec, Invocation, Kind, ModelSource as _, Spec, Target, WorkloadSize,
};
use rookery_tracking::{
    Actor, ArtifactStore, CreateModelVersion, CreateRegisteredModel, ModelRegistry, SqlStore,
    SystemEnvironment,
};

use super::models::RegistryModels;
use crate::config::DriverConfig;
use crate::records::Records;

const MODEL: &str = "Pronosticador de pingüinos";

/// A model that says 1 for a mass above 0, else 0.
fn model() -> Model {
    let assembler = VectorAssembler {
        inputs: vec!["mass".to_string()],
        output: "features".to_string(),
        handle_invalid: HandleInvalid::Error,
    };
    let classifier = LogisticRegressionModel {
        family: Family::Binomial,
        num_classes: 2,
        num_features: 1,
        coefficient_matrix: vec![1.0],
        intercepts: vec![0.0],
        threshold: None,
        thresholds: None,
    };
    let columns = [("mass", ColumnKind::Double), ("species", ColumnKind::Integer)];
    let columns = columns.map(|(name, kind)| (name.to_string(), kind));
    let stages = vec![FittedStage::VectorAssembler(assembler)];
    Model::new(
        &columns,
        FittedPipeline { stages },
        "features",
        "species",
        classifier,
    )
    .unwrap()
}

/// A registry with four versions: a model, another one, something unreadable, and nothing.
async fn records() -> Records {
    let store = Arc::new(SqlStore::in_memory(Arc::new(SystemEnvironment)).unwrap());
    let artifacts = ArtifactStore::in_memory();
    let by = Actor::default();
    let name = MODEL.to_string();
    let request = CreateRegisteredModel {
        name: name.clone(),
        ..CreateRegisteredModel::default()
    };
    store.create_registered_model(request, &by).await.unwrap();
    let files = [
        Some(model().to_json().unwrap()),
        Some(model().to_json().unwrap()),
        Some("{}".to_string()),
        None,
    ];
    for (i, file) in files.into_iter().enumerate() {
        if let Some(file) = file {
            let content = stream::iter([Ok::<_, std::io::Error>(file.into())]);
            artifacts
                .put_stream(&format!("0/r{i}/model.json"), content)
                .await
                .unwrap();
        }
        let request = CreateModelVersion {
            name: name.clone(),
            source: format!("mlflow-artifacts:/0/r{i}"),
            ..CreateModelVersion::default()
        };
        store.create_model_version(request, &by).await.unwrap();
    }
    store.set_alias(MODEL, "champion", 2, &by).await.unwrap();
    Records {
        store: Arc::<SqlStore>::clone(&store),
        registry: store,
        artifacts,
    }
}

#[tokio::test]
async fn versions_and_aliases_are_found_and_what_is_no_model_is_named() {
    let records = records().await;
    let models = RegistryModels {
        registry: records.registry,
        artifacts: records.artifacts,
    };
    let alias = |alias: &str| Target::Alias(alias.to_string());
    assert_eq!(models.resolve(MODEL, &Target::Version(1)).await.unwrap(), 1);
    assert_eq!(models.resolve(MODEL, &alias("champion")).await.unwrap(), 2);
    for (model, target) in [
        (MODEL, Target::Version(9)),
        (MODEL, alias("nobody")),
        ("nobody", Target::Version(1)),
        ("nobody", alias("champion")),
    ] {
        let error = models.resolve(model, &target).await.unwrap_err();
        assert_eq!(error.kind, Kind::NotFound, "{model} {target}: {error}");
    }
    assert_eq!(
        models.load(MODEL, 1).await.unwrap().scorer.inputs()[0].name,
        "mass"
    );
    for (version, part) in [(3, "can't be served"), (4, "has no model.json")] {
        let error = models.load(MODEL, version).await.unwrap_err();
        assert!(
            error.kind == Kind::Invalid && error.message.contains(part),
            "{error}"
        );
    }
    assert_eq!(models.load(MODEL, 9).await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn a_driver_answers_with_them_and_knows_the_scorers_in_memory() {
    let config = DriverConfig::new("http://127.0.0.1:7070".parse().unwrap());
    let endpoints = super::open(&config, &records().await).await.unwrap();
    let entity = EntitySpec {
        name: Some("a".to_string()),
        model: MODEL.to_string(),
        target: Target::Alias("champion".to_string()),
        shadow: false,
        size: WorkloadSize::Small,
        idle: None,
    };
    let spec = Spec {
        entities: vec![entity],
        routes: None,
    };
    endpoints
        .create("e", spec, BTreeMap::new(), Author::default())
        .await
        .unwrap();
    let request = Invocation {
        content_type: Some("application/json".to_string()),
        body: r#"{"dataframe_records": [{"mass": 4450}, {"mass": -1}]}"#.into(),
        ..Invocation::default()
    };
    let answer = endpoints.invoke("e", None, request).await.unwrap();
    assert_eq!(answer.version, 2);
    assert_eq!(answer.result.unwrap().predictions, [Some(1.0), Some(0.0)]);
    let scorers = EndpointMetrics::of_all(endpoints).scorers();
    let (labels, scorer) = &scorers[0];
    assert_eq!(
        (
            labels.endpoint.as_str(),
            labels.served_model.as_str(),
            labels.version
        ),
        ("e", "a", 2)
    );
    assert_eq!(scorer.model(), &model());
}
