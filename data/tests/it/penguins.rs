//! The lab's data: the same rows as Spark, whatever the cluster.

use std::collections::BTreeMap;
use std::path::Path;

use rookery_data::IngestPlan;
use rookery_data::show;
use serde_json::Value;

use crate::cluster::{Cluster, DEADLINE, ingest_everywhere, ingest_locally, lines};
use crate::job::open_in;

const SEEDS: [i64; 6] = [0, 1, 7, 42, -5, 123_456_789_012_345];

async fn penguins(split: &str) -> IngestPlan {
    let job = format!(
        r#"
        [data]
        drop_nulls = true
        [data.sources.penguins]
        path = "penguins/penguins.csv"
        columns = {{ Island = "string", CulmenLength = "float", CulmenDepth = "float", FlipperLength = "float", BodyMass = "float", Species = "int" }}
        [split]
        {split}
        "#
    );
    open_in(Path::new(env!("CARGO_MANIFEST_DIR")), &job)
        .await
        .unwrap()
}

fn spark() -> Value {
    serde_json::from_str(include_str!("../fixtures/spark_sampling.json")).unwrap()
}

/// The cleaned rows that a list of Spark's row ids names.
fn rows_of(ids: &Value, clean: &[String]) -> Vec<String> {
    ids.as_array()
        .unwrap()
        .iter()
        .map(|id| clean[id.as_u64().unwrap() as usize].clone())
        .collect()
}

async fn clean_rows() -> Vec<String> {
    let plan = penguins("weights = [1, 0]").await;
    lines(&show::head(&plan, 1000, DEADLINE).await.unwrap().rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_344_rows_are_dropped() {
    let everywhere = ingest_everywhere(&penguins("weights = [0.7, 0.3]").await).await;
    assert_eq!(
        everywhere.dataset.cleaning.to_string(),
        "344 rows read, 342 kept, 2 dropped (null CulmenLength, CulmenDepth, FlipperLength, BodyMass)"
    );
    assert_eq!(everywhere.dataset.part_rows.iter().sum::<u64>(), 342);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_split_is_sparks_row_for_row() {
    let (spark, clean, cluster) = (spark(), clean_rows().await, Cluster::start(2).await);
    for seed in SEEDS {
        let plan = penguins(&format!(
            "method = \"spark\"\nweights = [0.7, 0.3]\nseed = {seed}"
        ))
        .await;
        let expected = &spark["random_split_0.7_0.3"][seed.to_string()];
        for ingested in [
            ingest_locally(&plan, 2).await.unwrap(),
            cluster.ingest(&plan, 2).await.unwrap(),
        ] {
            assert_eq!(
                ingested.part(0),
                rows_of(&expected["train"], &clean),
                "train, seed {seed}"
            );
            assert_eq!(
                ingested.part(1),
                rows_of(&expected["test"], &clean),
                "test, seed {seed}"
            );
        }
        if seed == 42 {
            assert_eq!(
                ingest_locally(&plan, 1).await.unwrap().dataset.part_rows,
                [254, 88]
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_sparks_row_for_row() {
    let (spark, clean) = (spark(), clean_rows().await);
    let plan = penguins("weights = [0.7, 0.3]").await;
    let expected: BTreeMap<String, Value> = serde_json::from_value(spark["sample_0.2"].clone()).unwrap();
    assert_eq!(expected.len(), SEEDS.len());
    for (seed, ids) in expected {
        let shown = show::sample(&plan, 0.2, seed.parse().unwrap(), DEADLINE)
            .await
            .unwrap();
        assert_eq!(lines(&shown.rows), rows_of(&ids, &clean), "seed {seed}");
    }
}
