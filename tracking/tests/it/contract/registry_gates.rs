//! Gates of aliases: which versions they let pass, and what they say to the others.

use rookery_tracking::entities::{Bound, Comparison, MetricGate};
use rookery_tracking::{
    CreateLoggedModel, CreateModelVersion, ErrorCode, LogBatch, ModelMetric, ModelVersion, TrackingError,
};

use super::registry::{by, version_of};
use crate::fixture::{Fixture, metric, metrics};

impl Fixture {
    /// Adds a version whose run has these values of `accuracy`, the last one being the latest.
    async fn judged(&self, values: &[f64]) -> ModelVersion {
        let run_id = self.run().await.info.run_id;
        let points = (0..)
            .zip(values)
            .map(|(step, value)| metric("accuracy", *value, step));
        self.store.log_batch(&run_id, metrics(points)).await.unwrap();
        let request = CreateModelVersion {
            run_id,
            ..version_of("x")
        };
        self.registry
            .create_model_version(request, &by("ada"))
            .await
            .unwrap()
    }

    async fn gate(&self, gate: &str) {
        let gate = Some(gate.parse().unwrap());
        self.registry
            .set_alias_gate("x", "champion", gate, &by("ada"))
            .await
            .unwrap();
    }

    async fn crown(&self, version: u32) -> Result<(), TrackingError> {
        self.registry
            .set_alias("x", "champion", version, &by("ada"))
            .await
    }

    async fn assert_gate_refuses(&self, version: u32, message: &str) {
        let error = self.crown(version).await.unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (ErrorCode::InvalidState, message)
        );
    }
}

pub(super) async fn a_gate_compares_with_a_number(fixture: Fixture) {
    fixture.model("x").await;
    fixture.judged(&[0.99, 0.91]).await;
    fixture.judged(&[0.5, 0.95]).await;
    fixture.judged(&[f64::NAN]).await;
    fixture.judged(&[]).await;
    fixture.gate("accuracy >= 0.95").await;
    let refusal = "alias 'champion' of model 'x' needs accuracy >= 0.95: version";
    fixture
        .assert_gate_refuses(1, &format!("{refusal} 1 has 0.91"))
        .await;
    fixture
        .assert_gate_refuses(3, &format!("{refusal} 3 has NaN"))
        .await;
    fixture
        .assert_gate_refuses(4, &format!("{refusal} 4 has no accuracy"))
        .await;
    assert!(
        fixture
            .registry
            .get_registered_model("x")
            .await
            .unwrap()
            .aliases
            .is_empty()
    );
    fixture.crown(2).await.unwrap();

    // Where it is it may stay, and other aliases have their own gates.
    fixture.gate("accuracy <= 0.1").await;
    fixture.crown(2).await.unwrap();
    fixture
        .assert_gate_refuses(
            1,
            "alias 'champion' of model 'x' needs accuracy <= 0.1: version 1 has 0.91",
        )
        .await;
    fixture
        .registry
        .set_alias("x", "other", 4, &by("ada"))
        .await
        .unwrap();
    fixture
        .registry
        .set_alias_gate("x", "champion", None, &by("ada"))
        .await
        .unwrap();
    fixture.crown(4).await.unwrap();
}

pub(super) async fn a_gate_compares_with_the_version_an_alias_has_now(fixture: Fixture) {
    fixture.model("x").await;
    for value in [0.9, 0.95, 0.91] {
        fixture.judged(&[value]).await;
    }
    fixture.judged(&[]).await;
    fixture.gate("accuracy >= champion").await;
    // It points nowhere yet: somebody has to be the first.
    fixture.crown(1).await.unwrap();
    fixture.crown(2).await.unwrap();
    fixture
        .assert_gate_refuses(
            3,
            "alias 'champion' of model 'x' needs accuracy >= champion: version 3 has 0.91, version 2 has 0.95",
        )
        .await;
    fixture.gate("accuracy >= champion - 0.05").await;
    fixture.crown(3).await.unwrap();

    fixture.gate("accuracy >= elder").await;
    fixture.crown(1).await.unwrap();
    fixture
        .registry
        .set_alias("x", "elder", 4, &by("ada"))
        .await
        .unwrap();
    fixture
        .assert_gate_refuses(
            2,
            "alias 'champion' of model 'x' needs accuracy >= elder: version 2 has 0.95, version 4 has no accuracy",
        )
        .await;
    // Without the version, the alias is gone, and the gate open again.
    fixture
        .registry
        .delete_model_version("x", 4, &by("ada"))
        .await
        .unwrap();
    fixture.crown(2).await.unwrap();
}

pub(super) async fn a_gate_asks_the_logged_model_before_the_run(fixture: Fixture) {
    fixture.model("x").await;
    let run_id = fixture.run().await.info.run_id;
    let request = CreateLoggedModel {
        experiment_id: "0".to_owned(),
        source_run_id: Some(run_id.clone()),
        ..CreateLoggedModel::default()
    };
    let model_id = fixture.store.create_logged_model(request).await.unwrap().model_id;
    let judged = |value, step| ModelMetric {
        model_id: model_id.clone(),
        run_id: run_id.clone(),
        dataset: None,
        metric: metric("accuracy", value, step),
    };
    let batch = LogBatch {
        model_metrics: vec![judged(0.7, 2), judged(0.9, 1)],
        metrics: vec![metric("accuracy", 0.99, 3), metric("loss", 0.25, 1)],
        ..LogBatch::default()
    };
    fixture.store.log_batch(&run_id, batch).await.unwrap();
    let request = CreateModelVersion {
        source: format!("models:/{model_id}"),
        model_id: Some(model_id.clone()),
        ..version_of("x")
    };
    fixture
        .registry
        .create_model_version(request, &by("ada"))
        .await
        .unwrap();
    fixture.gate("accuracy >= 0.8").await;
    fixture
        .assert_gate_refuses(
            1,
            "alias 'champion' of model 'x' needs accuracy >= 0.8: version 1 has 0.7",
        )
        .await;
    fixture.gate("loss <= 0.25").await;
    fixture.crown(1).await.unwrap();
}

pub(super) async fn a_gate_is_kept_as_it_was_meant(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("x").await;
    fixture.gate("val loss <= champion + 0.1").await;
    registry
        .set_alias_gate("x", "a", "f1 >= 0.30000000000000004".parse().ok(), &ada)
        .await
        .unwrap();
    let gates = registry.alias_gates("x").await.unwrap();
    let text: Vec<String> = gates
        .iter()
        .map(|(alias, gate)| format!("{alias}: {gate}"))
        .collect();
    assert_eq!(
        text,
        [
            "a: f1 >= 0.30000000000000004",
            "champion: val loss <= champion + 0.1"
        ]
    );

    // What would be read as something else is not kept.
    for (metric, bound) in [("a >= b", 1.0), ("a", f64::NAN), ("a", f64::INFINITY), ("", 1.0)] {
        let gate = MetricGate {
            metric: metric.to_owned(),
            comparison: Comparison::AtLeast,
            bound: Bound::Value(bound),
        };
        let error = registry
            .set_alias_gate("x", "b", Some(gate), &ada)
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    }
    registry.set_alias_gate("x", "b", None, &ada).await.unwrap();
    registry.set_alias_gate("x", "a", None, &ada).await.unwrap();
    assert_eq!(registry.alias_gates("x").await.unwrap().len(), 1);
}
